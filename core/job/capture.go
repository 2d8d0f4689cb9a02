package job

import "libmimir/core"

// capture keeps what a job has written to one stream until it is read, or passes it on.
type capture struct {
	// passOn is the descriptor that the stream leads to, noDescriptor for one that is kept, or discarded.
	passOn int64
	kept   core.Bytes
}

const (
	noDescriptor = -1
	discarded    = -2
)

// take moves what fits to b. With an empty b it tells how much there is.
func (c *capture) take(b []byte) int {
	if len(b) == 0 {
		return len(c.kept.Bytes())
	}
	n := copy(b, c.kept.Bytes())
	c.kept.Take(n)
	return n
}
