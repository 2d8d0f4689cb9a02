package job

import (
	"math"
	"strings"
	"sync"
	"time"

	"libmimir/core"
)

// Forever is a timeout that does not pass.
const Forever = core.Forever

// Job is a command, from its preparation to its verdict. Its methods may be called from any goroutine.
type Job struct {
	adapter core.Adapter

	mu      sync.Mutex
	command core.Command
	state   state
	child   core.Child
	started time.Time
	killAt  time.Time // when the grace of a job that was asked to end is over
	output  [3]*capture
	reason  core.Reason
	verdict core.Verdict
	closed  bool
	// grace is how long after SIGTERM a job that is ended gets SIGKILL; 0 for SIGKILL at once.
	grace time.Duration
	// returnOnSignal makes a wait return when a signal arrives at its thread.
	returnOnSignal bool

	// watching is held by whoever watches the child. done is opened when the verdict is there.
	watching sync.Mutex
	done     core.Latch
	watch    watch
}

type state int

const (
	prepared state = iota
	running
	ended
	failed
)

// New makes a job of a command: the program and its arguments.
func New(a core.Adapter, args []string) (*Job, error) {
	if len(args) == 0 || args[0] == "" {
		return nil, core.Errorf(core.StatusEINVAL, "check command", "the command is empty")
	}
	for _, arg := range args {
		if err := checkText("command", arg); err != nil {
			return nil, err
		}
	}
	return &Job{
		adapter: a,
		command: core.Command{Args: args},
	}, nil
}

func checkText(what, text string) error {
	if strings.IndexByte(text, 0) >= 0 {
		return core.Errorf(core.StatusEINVAL, "check "+what, "%q holds a zero byte", text)
	}
	return nil
}

// prepare runs a change of a job that has not been started.
func (j *Job) prepare(change func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.state != prepared {
		return core.Errorf(core.StatusESTATE, "prepare job", "the job has been started")
	}
	return change()
}

// SetLimit gives the job a limit; core.Unlimited takes it away.
func (j *Job) SetLimit(limit core.Limit, value uint64) error {
	return j.SetLimits([]core.Limit{limit}, []uint64{value})
}

// SetLimits gives the job some limits, each with the value at its place, or none of them when one of them is refused.
func (j *Job) SetLimits(limits []core.Limit, values []uint64) error {
	if len(limits) != len(values) {
		return core.Errorf(core.StatusEINVAL, "check limits", "%d limits have %d values", len(limits), len(values))
	}
	return j.prepare(func() error {
		changed := j.command.Limits
		for i, limit := range limits {
			kept, err := core.Supports(j.adapter, limit, core.ScopeJob)
			if err != nil {
				return err
			}
			if kept == core.EnforcementNone && values[i] != core.Unlimited {
				return core.Errorf(core.StatusENOTSUP, "find limit", "%s of a job cannot be limited on this platform", limit)
			}
			changed.Set(limit, values[i])
		}
		j.command.Limits = changed
		return nil
	})
}

// Limit tells a limit that the job was given; core.Unlimited without it.
func (j *Job) Limit(limit core.Limit) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if limit.Known() {
		if value, given := j.command.Limits.Of(limit); given {
			return value
		}
	}
	return core.Unlimited
}

// SetDirectory sets the directory to start in.
func (j *Job) SetDirectory(path string) error {
	return j.prepare(func() error {
		if path == "" {
			return core.Errorf(core.StatusEINVAL, "check directory", "the path is empty")
		}
		j.command.Dir = path
		return checkText("directory", path)
	})
}

// SetEnvironment sets the whole environment: strings "NAME=value". Without it a job has core.HostEnvironment, as it is at the start.
func (j *Job) SetEnvironment(variables []string) error {
	return j.prepare(func() error {
		for _, variable := range variables {
			if strings.IndexByte(variable, '=') < 0 || variable[0] == '=' && !strings.Contains(variable[1:], "=") {
				return core.Errorf(core.StatusEINVAL, "check environment", "%q is not NAME=value", variable)
			}
			if err := checkText("environment", variable); err != nil {
				return err
			}
		}
		if variables == nil {
			variables = []string{}
		}
		j.command.Env = variables
		return nil
	})
}

// SetInput gives the command a copy of bytes to read on its standard input.
func (j *Job) SetInput(input []byte) error {
	return j.prepare(func() error {
		if j.command.Input != nil {
			j.command.Input.Free()
		}
		j.command.Input = &core.Bytes{}
		if err := j.command.Input.Append(input); err != nil {
			return err
		}
		j.command.Streams[core.StreamInput] = core.StreamTarget{Mode: core.ModeCapture}
		return nil
	})
}

// SetReturnOnSignal makes Run and Wait return StatusEINTR when a signal arrives at the thread that waits, for hosts that act
// on signals between calls. Go's own scheduler sends signals to threads: Go programs do without.
func (j *Job) SetReturnOnSignal() error {
	return j.prepare(func() error {
		j.returnOnSignal = true
		return nil
	})
}

// SetOption sets an option beside limits and streams.
func (j *Job) SetOption(option core.Option, value uint64) error {
	return j.prepare(func() error {
		if option < core.OptionUmask || option > core.OptionNoDesktop {
			return core.Errorf(core.StatusEINVAL, "check option", "%d is not an option", int32(option))
		}
		if err := j.adapter.Offers(option); err != nil {
			return err
		}
		c := &j.command
		switch option {
		case core.OptionUmask:
			if value > 0o777 {
				return core.Errorf(core.StatusEINVAL, "check option", "%#o is not a file mode creation mask", value)
			}
			mask := uint32(value)
			c.Umask = &mask
			return nil
		case core.OptionGrace:
			j.grace = time.Duration(min(value, uint64(Forever)))
			return nil
		case core.OptionKeepDescriptor:
			if value < 3 || value > math.MaxInt32 {
				return core.Errorf(core.StatusEINVAL, "check option", "%d is not a descriptor above 2", value)
			}
			c.Keep = append(c.Keep, int(value))
			return nil
		}
		if value > 1 {
			return core.Errorf(core.StatusEINVAL, "check option", "option %d is 0 or 1, not %d", int32(option), value)
		}
		on := value == 1
		switch option {
		case core.OptionNewSession:
			c.NewSession = on
		case core.OptionNoNewPrivileges:
			c.NoNewPrivileges = on
		case core.OptionNoNetwork:
			c.NoNetwork = on
		case core.OptionNoDesktop:
			c.NoDesktop = on
		}
		return nil
	})
}

// SetPriority sets the command's priority, which is in force before its first instruction.
func (j *Job) SetPriority(p core.Priority) error {
	return j.prepare(func() error {
		if err := core.CheckPriority(p); err != nil {
			return err
		}
		j.command.Priority = &p
		return nil
	})
}

// SetUser sets whom the command runs as.
func (j *Job) SetUser(user core.User) error {
	return j.prepare(func() error {
		j.command.User = &user
		return nil
	})
}

// SetWritable confines the command to changing files below some directories; none confines it to changing no file.
func (j *Job) SetWritable(directories []string) error {
	return j.prepare(func() error {
		if err := j.adapter.Offers(0); err != nil {
			return err
		}
		for _, directory := range directories {
			if err := checkText("directory", directory); err != nil {
				return err
			}
		}
		j.command.Writable = append([]string{}, directories...)
		return nil
	})
}

// SetStream says where a stream leads.
func (j *Job) SetStream(stream core.Stream, mode core.StreamMode, descriptor int64) error {
	return j.prepare(func() error {
		if stream < core.StreamInput || stream > core.StreamError {
			return core.Errorf(core.StatusEINVAL, "check stream", "%d is not a stream", int32(stream))
		}
		bad := mode < core.ModeInherit || mode > core.ModeOutput ||
			mode == core.ModeCapture && stream == core.StreamInput || mode == core.ModeOutput && stream != core.StreamError
		if bad {
			return core.Errorf(core.StatusEINVAL, "check mode", "%d is not a mode of stream %d", int32(mode), int32(stream))
		}
		if mode == core.ModeDescriptor && (descriptor < 0 || descriptor > math.MaxInt32) {
			return core.Errorf(core.StatusEINVAL, "check descriptor", "%d is not a descriptor", descriptor)
		}
		j.command.Streams[stream] = core.StreamTarget{Mode: mode, Descriptor: descriptor}
		return nil
	})
}

// Start starts the command and watches it from a goroutine.
func (j *Job) Start() error {
	if err := j.start(); err != nil {
		return err
	}
	if j.watching.TryLock() { // else a wait has been quicker, and watches
		go j.watchOn()
	}
	return nil
}

// Run starts the command and watches it from the calling goroutine, for timeout at most: what Wait says of the outcome holds.
func (j *Job) Run(timeout time.Duration) (core.Verdict, error) {
	if err := j.start(); err != nil {
		return core.Verdict{}, err
	}
	return j.Wait(timeout)
}

func (j *Job) start() error {
	return j.prepare(func() error {
		command := &j.command
		if command.Env == nil {
			command.Env, command.EnvKept = core.HostEnvironment()
		}
		j.output = captures(command)
		if err := core.ReserveThread(); err != nil {
			return err
		}
		now := time.Now()
		child, err := j.adapter.Start(command)
		if err != nil {
			core.ReleaseThread()
			j.state = failed
			return err
		}
		j.child, j.started, j.state = child, now, running
		j.watch = newWatch(child, &command.Limits, now)
		command.Input = nil
		return nil
	})
}

// captures says where output is kept. Under an output limit, streams that lead elsewhere pass through this process, so that
// what is written can be counted.
func captures(command *core.Command) (kept [3]*capture) {
	_, limited := command.Limits.Of(core.LimitOutput)
	for _, stream := range []core.Stream{core.StreamOutput, core.StreamError} {
		target := &command.Streams[stream]
		switch {
		case target.Mode == core.ModeCapture:
			kept[stream] = &capture{use: keep}
		case limited && target.Mode == core.ModeNull:
			kept[stream] = &capture{use: discard}
			target.Mode = core.ModeCapture
		case limited && (target.Mode == core.ModeInherit || target.Mode == core.ModeDescriptor):
			kept[stream] = &capture{use: passOn}
			target.Relayed = true
		}
	}
	return kept
}

// Wait waits until the command and its process group are gone, for timeout at most: then it answers StatusETIMEDOUT, and the
// job goes on.
func (j *Job) Wait(timeout time.Duration) (core.Verdict, error) {
	if err := j.needStarted(); err != nil {
		return core.Verdict{}, err
	}
	if j.done.IsOpen() {
		return j.verdict, nil
	}
	if timeout <= 0 {
		return core.Verdict{}, stillRunning
	}
	if j.watching.TryLock() {
		return j.watchInline(timeout)
	}
	switch j.done.Wait(timeout, j.returnOnSignal) {
	case core.StatusOK:
		return j.verdict, nil
	case core.StatusEINTR:
		return core.Verdict{}, interrupted
	default:
		return core.Verdict{}, stillRunning
	}
}

var (
	stillRunning = core.Errorf(core.StatusETIMEDOUT, "wait for job", "the job still runs")
	interrupted  = core.Errorf(core.StatusEINTR, "wait for job", "a signal arrived")
)

// watchInline watches from the caller and hands over to a goroutine when it stops early.
func (j *Job) watchInline(timeout time.Duration) (core.Verdict, error) {
	if j.done.IsOpen() { // ended between the look and the lock
		j.watching.Unlock()
		return j.verdict, nil
	}
	until := j.watch.never
	if timeout < Forever-time.Since(j.started) {
		until = time.Now().Add(timeout)
	}
	switch outcome := j.watchUntil(until, j.returnOnSignal); outcome {
	case watchedToTheEnd:
		j.watching.Unlock()
		return j.verdict, nil
	case watchInterrupted:
		go j.watchOn()
		return core.Verdict{}, interrupted
	default:
		go j.watchOn()
		return core.Verdict{}, stillRunning
	}
}

// watchOn watches to the end. The caller has locked j.watching for it.
func (j *Job) watchOn() {
	defer j.watching.Unlock()
	for j.watchUntil(j.watch.never, false) != watchedToTheEnd {
	}
}

func (j *Job) needStarted() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch j.state {
	case prepared:
		return core.Errorf(core.StatusESTATE, "find process", "the job has not been started")
	case failed:
		return core.Errorf(core.StatusESTATE, "find process", "the job could not be started")
	}
	return nil
}

// Kill ends the job. It does not wait.
func (j *Job) Kill() error {
	if err := j.needStarted(); err != nil {
		return err
	}
	return j.end(core.ReasonKilled)
}

// end ends the job for a reason; the first reason stands. Where it is given grace and takes no more of what it has exceeded by
// it, it is asked first, and the watchdog kills it later.
func (j *Job) end(reason core.Reason) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != running {
		return nil
	}
	again := j.reason != core.ReasonNone
	if !again {
		j.reason = reason
	}
	polite := reason == core.ReasonWallTime || reason == core.ReasonCPUTime || reason == core.ReasonKilled
	if j.grace > 0 && polite {
		if again {
			return nil // it has been asked
		}
		j.killAt = time.Now().Add(j.grace)
		return j.child.Terminate()
	}
	return j.child.Kill()
}

// killIfDue kills a job whose grace is over.
func (j *Job) killIfDue(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.killAt.IsZero() && !now.Before(j.killAt) && j.state == running {
		j.killAt = time.Time{}
		_ = j.child.Kill()
	}
}

// Signal sends a signal to the job's processes.
func (j *Job) Signal(signal int32) error {
	if err := j.needStarted(); err != nil {
		return err
	}
	return j.child.Signal(signal)
}

// PID is the command's process id.
func (j *Job) PID() (int64, error) {
	if err := j.needStarted(); err != nil {
		return 0, err
	}
	return j.child.PID(), nil
}

// Enforcement tells how strongly a limit of the job is kept.
func (j *Job) Enforcement(limit core.Limit) (core.Enforcement, error) {
	if !limit.Known() {
		return core.EnforcementNone, core.Errorf(core.StatusEINVAL, "check limit", "%d is not a limit", int32(limit))
	}
	if err := j.needStarted(); err != nil {
		return core.EnforcementNone, err
	}
	return j.child.Enforcement(limit), nil
}

// Usage tells what the job uses now, as of the watchdog's last look, a few milliseconds ago.
func (j *Job) Usage() (core.Usage, error) {
	if err := j.needStarted(); err != nil {
		return core.Usage{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != running {
		return core.Usage{}, core.Errorf(core.StatusESRCH, "find process", "the job has ended")
	}
	s := &j.watch.seen
	return core.Usage{
		Fields:        uint32(core.UsageMemory | core.UsageCPU | core.UsageThreads),
		ResidentBytes: s.Resident, PeakResidentBytes: j.watch.peak, VirtualBytes: s.Virtual,
		UserTimeNs: uint64(s.User), SystemTimeNs: uint64(s.System), Threads: uint32(s.Threads),
	}, nil
}

// Processes is how many processes the job had at the watchdog's last look, 0 before the first.
func (j *Job) Processes() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.watch.seen.Processes
}

// Read moves captured output to b and tells how much. With an empty b it tells how much there is.
func (j *Job) Read(stream core.Stream, b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if stream != core.StreamOutput && stream != core.StreamError {
		return 0, core.Errorf(core.StatusEINVAL, "check stream", "%d is not a stream that a job writes", int32(stream))
	}
	c := j.output[stream]
	if c == nil || c.use != keep {
		if j.state == prepared && j.command.Streams[stream].Mode == core.ModeCapture {
			return 0, nil
		}
		return 0, core.Errorf(core.StatusEINVAL, "check stream", "stream %d is not captured", int32(stream))
	}
	return c.take(b), nil
}

// Close ends the job if it still runs, waits until it is gone and gives back what it held.
func (j *Job) Close() error {
	j.mu.Lock()
	if j.closed || j.state == prepared || j.state == failed {
		if j.command.Input != nil {
			j.command.Input.Free()
		}
		j.closed = true
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	j.mu.Lock()
	j.grace = 0
	j.killAt = time.Time{}
	j.mu.Unlock()
	if err := j.end(core.ReasonKilled); err != nil {
		return err
	}
	for {
		if _, err := j.Wait(Forever); err == nil {
			break
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.output {
		if c != nil {
			c.kept.Free()
		}
	}
	return j.child.Close()
}
