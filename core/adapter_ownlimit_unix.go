//go:build linux || darwin

package core

import "sync"

// ownLimitTable remembers how the limits of this process were asked for, where the kernel's value holds the library's reserve
// as well: who asks for a limit is told what was asked for, as long as nobody has changed it since.
type ownLimitTable struct {
	mu    sync.Mutex
	noted map[Limit]notedLimit
}

type notedLimit struct{ asked, kernel kernelLimit }

var ownLimits = ownLimitTable{noted: map[Limit]notedLimit{}}

// asked is what stands for the kernel's value.
func (t *ownLimitTable) asked(limit Limit, kernel kernelLimit) (soft, hard uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if noted, ok := t.noted[limit]; ok && noted.kernel == kernel {
		return noted.asked.soft, noted.asked.hard
	}
	return kernel.soft, kernel.hard
}

// plan is what to ask of the kernel, whose value is present, for a limit of the host's own use. A hard limit that the host
// has already is not raised by the reserve.
func (t *ownLimitTable) plan(limit Limit, present, wanted kernelLimit) kernelLimit {
	_, most := t.asked(limit, present)
	planned := kernelLimit{withReserve(limit, wanted.soft), withReserve(limit, wanted.hard)}
	if wanted.hard <= most {
		planned.hard = min(planned.hard, present.hard)
		planned.soft = min(planned.soft, planned.hard)
	}
	return planned
}

func (t *ownLimitTable) note(limit Limit, asked, kernel kernelLimit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noted[limit] = notedLimit{asked, kernel}
}
