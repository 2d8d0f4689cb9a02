package job

import (
	"time"

	"libmimir/core"
)

// watch is what the watchdog knows. It belongs to the holder of Job.watching, but for seen and peak, which j.mu guards.
type watch struct {
	memory, cpu, processes, output uint64 // the limits, core.Unlimited without one
	wall                           time.Time
	never                          time.Time

	longest    time.Duration // between two looks, for as many processes as there are
	pause      time.Duration // until the next full sample, doubling
	nextFull   time.Time
	nextQuick  time.Time
	written    uint64
	most       int // processes at once
	seen       core.Sample
	peak       uint64
	lastMemory uint64
}

const (
	// firstPause is when a job is first looked at. Each look wakes a thread and reads three files, which a short job, or one among
	// many, would notice.
	firstPause = 3 * time.Millisecond
	// longestPause is how long the watchdog looks away at most: CPU time is kept to that, on each CPU that the job uses.
	longestPause = 20 * time.Millisecond
	// pausePerProcess makes the looks at a large tree rarer: each costs some 10 us a process.
	pausePerProcess = 500 * time.Microsecond
	// quickestPause is the shortest time between two looks at the memory.
	quickestPause = 300 * time.Microsecond
	// growth is how fast a program can come by resident memory, in bytes a second, at the most that was
	// measured: the kernel clears pages no faster. It decides how soon a limit can be reached.
	growth = 8 << 30
)

func newWatch(child core.Child, limits *core.JobLimits, start time.Time) watch {
	limit := func(l core.Limit) uint64 {
		if value, given := limits.Of(l); given {
			return value
		}
		return core.Unlimited
	}
	// What the kernel counts and keeps for the whole tree is not judged a second time, by another count.
	watched := func(l core.Limit) uint64 {
		if child.Enforcement(l) == core.EnforcementKernel {
			return core.Unlimited
		}
		return limit(l)
	}
	w := watch{
		memory: watched(core.LimitMemory), cpu: limit(core.LimitCPUTime), processes: watched(core.LimitProcesses),
		output: limit(core.LimitOutput), never: start.Add(Forever),
		longest: longestPause, pause: firstPause, nextFull: start.Add(firstPause), nextQuick: start.Add(Forever),
	}
	w.wall = w.never
	if wall := limit(core.LimitWallTime); wall < uint64(Forever) {
		w.wall = start.Add(time.Duration(wall))
	}
	if w.memory != core.Unlimited {
		w.nextQuick = start.Add(w.untilFull(0))
	}
	return w
}

type watchOutcome int

const (
	watchTimedOut watchOutcome = iota
	watchInterrupted
	watchedToTheEnd
)

// watchUntil watches the child until it has ended or the time has come. The caller holds j.watching.
func (j *Job) watchUntil(until time.Time, interruptible bool) watchOutcome {
	w := &j.watch
	for {
		now := time.Now()
		switch {
		case !now.Before(w.wall):
			w.wall = w.never
			_ = j.end(core.ReasonWallTime)
		case !now.Before(w.nextFull):
			j.look(now)
		case !now.Before(w.nextQuick):
			j.glance(now)
		}
		j.killIfDue(now)
		if !now.Before(until) {
			return watchTimedOut
		}
		next := earliest(until, w.wall, w.nextFull, w.nextQuick)
		event, err := j.child.Next(next.Sub(now))
		if err != nil { // the child cannot be watched: without a watchdog it must not run on
			_ = j.end(core.ReasonFailed)
			j.finish()
			return watchedToTheEnd
		}
		switch event.Kind {
		case core.EventOutput:
			j.keep(event.Stream, event.Data)
		case core.EventInterrupted:
			if interruptible {
				return watchInterrupted
			}
		case core.EventExit:
			j.finish()
			return watchedToTheEnd
		}
	}
}

func earliest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

// look samples the whole tree and keeps the limits that it shows.
func (j *Job) look(now time.Time) {
	w := &j.watch
	var s core.Sample
	if err := j.child.Sample(false, &s); err != nil {
		_ = j.end(core.ReasonFailed)
		return
	}
	j.mu.Lock()
	w.seen = s
	w.peak = max(w.peak, s.Resident, s.PeakResident)
	j.mu.Unlock()
	w.most = max(w.most, s.Processes)
	if s.Exceeded != core.ReasonNone {
		_ = j.end(s.Exceeded)
	}
	w.longest = max(longestPause, time.Duration(s.Processes)*pausePerProcess)
	w.pause = min(2*w.pause, w.longest)
	w.nextFull = time.Now().Add(w.pause)
	switch {
	case w.cpu != core.Unlimited && uint64(s.User+s.System) >= w.cpu:
		_ = j.end(core.ReasonCPUTime)
	case w.processes != core.Unlimited && uint64(s.Processes) > w.processes:
		_ = j.end(core.ReasonProcesses)
	}
	j.judgeMemory(now, max(s.Resident, s.PeakResident))
}

// glance samples the memory alone.
func (j *Job) glance(now time.Time) {
	w := &j.watch
	var s core.Sample
	if err := j.child.Sample(true, &s); err != nil {
		return
	}
	if s.Resident > w.peak {
		j.mu.Lock()
		w.peak = s.Resident
		j.mu.Unlock()
	}
	j.judgeMemory(now, s.Resident)
}

// judgeMemory ends a job that has more than its limit, and else decides how soon it could.
func (j *Job) judgeMemory(now time.Time, resident uint64) {
	w := &j.watch
	if w.memory == core.Unlimited {
		return
	}
	if resident > w.memory {
		w.nextQuick = w.never
		_ = j.end(core.ReasonMemory)
		return
	}
	pause := w.untilFull(resident)
	if resident <= w.lastMemory && pause < time.Millisecond {
		pause = time.Millisecond // near the limit and not growing
	}
	w.lastMemory = resident
	w.nextQuick = now.Add(pause)
	if w.nextQuick.After(w.nextFull) { // the whole look is soon enough
		w.nextQuick = w.never
	}
}

// untilFull is how soon a job that has resident memory could have all that its limit allows.
func (w *watch) untilFull(resident uint64) time.Duration {
	pause := time.Duration(float64(w.memory-resident) / growth * float64(time.Second))
	return min(max(pause, quickestPause), w.longest)
}

// keep stores output and counts it against its limit.
func (j *Job) keep(stream core.Stream, data []byte) {
	w := &j.watch
	if w.output != core.Unlimited && w.written+uint64(len(data)) > w.output {
		data = data[:w.output-min(w.written, w.output)]
		w.written = w.output
		j.store(stream, data)
		_ = j.end(core.ReasonOutput)
		return
	}
	w.written += uint64(len(data))
	j.store(stream, data)
}

func (j *Job) store(stream core.Stream, data []byte) {
	c := j.output[stream]
	if c == nil || c.use == discard {
		return
	}
	if c.use == passOn {
		j.child.PassOn(stream, data)
		return
	}
	j.mu.Lock()
	err := c.kept.Append(data)
	j.mu.Unlock()
	if err != nil { // no memory to keep it in
		_ = j.end(core.ReasonFailed)
	}
}

// finish ends what is left of the tree and writes the verdict.
func (j *Job) finish() {
	exit, err := j.child.Finish(j.keep)
	wall := time.Since(j.started)
	w := &j.watch
	j.mu.Lock()
	defer j.mu.Unlock()
	v := core.Verdict{
		Reason: j.reason, ExitCode: exit.Code, Signal: exit.Signal,
		UserTimeNs: uint64(exit.User), SystemTimeNs: uint64(exit.System), WallTimeNs: uint64(wall),
		PeakMemoryBytes: exit.PeakResident, OutputBytes: w.written, PeakProcesses: uint32(max(w.most, exit.Processes, 1)),
	}
	if w.peak > v.PeakMemoryBytes {
		v.PeakMemoryBytes = w.peak
	}
	if exit.PeakResident == 0 {
		v.PeakIsSampled = 1
	}
	if v.Reason == core.ReasonNone {
		v.Reason = exit.Reason
	}
	// The watchdog's last reading is the kernel's own count. A command that failed with more than its limit was too quick for
	// the readings before, and met the backstop.
	if v.Reason == core.ReasonNone && exit.PeakResident > w.memory && (exit.Code != 0 || exit.Signal != 0) {
		v.Reason = core.ReasonMemory
	}
	if err != nil || !exit.Observed {
		v.ExitCode = -1
		if v.Reason == core.ReasonNone {
			v.Reason = core.ReasonFailed
		}
	}
	core.ReleaseThread()
	j.verdict, j.state = v, ended
	j.done.Open()
}
