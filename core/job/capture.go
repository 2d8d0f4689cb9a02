package job

import "libmimir/core"

// capture is what becomes of what a job writes to one stream.
type capture struct {
	use  use
	kept core.Bytes
}

type use int

const (
	// keep is until it is read.
	keep use = iota
	// passOn is to where the stream leads.
	passOn
	// discard is for what is only counted.
	discard
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
