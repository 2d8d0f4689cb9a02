package monitor

import "libmimir/core"

// history is the last samples, outside of Go's heap: there may be many, and the heap's growth, refused by the system, ends the
// process.
type history struct {
	records *core.Records[Sample]
	samples []Sample // a ring
	first   int
	length  int
}

func newHistory(capacity int) (history, error) {
	records, err := core.NewRecords[Sample](capacity)
	if err != nil {
		return history{}, err
	}
	return history{records: records, samples: records.All()}, nil
}

func (h *history) put(s *Sample) {
	if h.length == len(h.samples) {
		h.first = (h.first + 1) % len(h.samples)
		h.length--
	}
	*h.at(h.length) = *s
	h.length++
}

// at is the i-th of the samples that there are, the oldest being 0.
func (h *history) at(i int) *Sample { return &h.samples[(h.first+i)%len(h.samples)] }

// from is the place of the first sample that a test holds for, which holds for all later ones too.
func (h *history) from(test func(*Sample) bool) int {
	low, high := 0, h.length
	for low < high {
		if middle := (low + high) / 2; test(h.at(middle)) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

func (h *history) free() {
	h.records.Free()
	*h = history{}
}
