package job

// capture keeps what a job has written to one stream until it is read, or passes it on.
type capture struct {
	// passOn is the descriptor that the stream leads to, or noDescriptor for one that is kept.
	passOn int64
	data   []byte
	read   int // how much of it has been
}

const noDescriptor = -1

func (c *capture) write(data []byte) { c.data = append(c.data, data...) }

// take moves what fits to b. With an empty b it tells how much there is.
func (c *capture) take(b []byte) int {
	if len(b) == 0 {
		return len(c.data) - c.read
	}
	n := copy(b, c.data[c.read:])
	if c.read += n; c.read == len(c.data) {
		c.data, c.read = nil, 0
	}
	return n
}
