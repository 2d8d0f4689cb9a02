package core

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/cmdline"
	"libmimir/core/internal/jobobject"
	"libmimir/core/internal/win32"
	"libmimir/core/internal/winproc"
)

// windowsChild is a command that Windows runs in a job object of its own.
type windowsChild struct {
	job         jobobject.Job
	port        windows.Handle // of the job's messages and of the streams
	process     winproc.Process
	enforcement [limitEnd]Enforcement

	ends    [3]*pipeEnd
	relays  [3]*windowsRelay
	input   *Bytes
	exited  bool
	reason  Reason // as the job reported it
	living  int    // processes, by the job's messages
	most    int
	list    []uintptr
	threads threadCount

	mu     sync.Mutex
	ended  bool  // the job is gone
	signal int32 // that the library has ended the command by, 0 for none
	asked  bool  // the command was asked to end
	closed bool
}

// pipeEnd is this side's end of a pipe, at which one operation at a time is under way.
type pipeEnd struct {
	handle  windows.Handle
	pending bool
	// overlapped and buffer belong to the system while an operation is pending.
	overlapped windows.Overlapped
	buffer     []byte
}

const (
	// jobKey is the key of the job's messages on the port; the streams have their numbers, and their relays those after it.
	jobKey   = 3
	relayKey = 4
	// longestWait is how long the port is waited for at a time. The message of a process's end may be lost.
	longestWait = 100 * time.Millisecond
	// longestCommandLine is what CreateProcess takes, in UTF-16 with the final zero.
	longestCommandLine = 32_767
)

// commandTable finds the commands that run by their process ids, which are the ids of their groups.
type commandTable struct {
	mu   sync.Mutex
	byID map[int64]*windowsChild
}

var startedCommands = commandTable{byID: map[int64]*windowsChild{}}

func (t *commandTable) find(pid int64) *windowsChild {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[pid]
}

func (t *commandTable) add(pid int64, w *windowsChild) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID[pid] = w
}

func (t *commandTable) remove(pid int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, pid)
}

func (windowsAdapter) Offers(option Option) error {
	switch option {
	case OptionNewSession, OptionGrace, OptionKeepDescriptor, OptionNoDesktop:
		return nil
	case 0:
		return notSupported("find option", "Windows has no confinement of files for one command")
	}
	return notSupported("find option", "Windows has no option %d of jobs", int32(option))
}

// commandJob is a job object with the limits of a command, and how each is kept.
func (a windowsAdapter) commandJob(c *Command) (job jobobject.Job, enforcement [limitEnd]Enforcement, err error) {
	limits := jobobject.Limits{KillOnClose: true, DieQuietly: true}
	for _, limit := range Limits {
		value, given := c.Limits.Of(limit)
		if !given {
			continue
		}
		kept := a.Supports(limit, ScopeJob)
		if kept == EnforcementNone {
			return job, enforcement, notSupported("find limit", "%s of a job", limit)
		}
		enforcement[limit] = kept
		switch limit {
		case LimitMemory:
			limits.JobMemory = atLeastAPage(value)
			limits.ProcessMemory = limits.JobMemory
		case LimitCPUTime:
			limits.JobTime = toDuration(value)
		case LimitProcesses:
			limits.Processes = toCount(value)
		case LimitCPURate:
			limits.CPURate = toCPURate(value)
		}
	}
	if c.Priority != nil {
		limits.PriorityClass = classOf(*c.Priority)
	}
	if job, err = jobobject.New(""); err != nil {
		return job, enforcement, windowsError(err, "")
	}
	if err = job.SetLimits(&limits); err == nil && c.NoDesktop {
		err = job.RestrictUI()
	}
	if err != nil {
		job.Close()
		return job, enforcement, windowsError(err, "limits of a job")
	}
	return job, enforcement, nil
}

func (a windowsAdapter) Start(c *Command) (Child, error) {
	if c.User != nil || c.Umask != nil || c.NoNetwork || c.NoNewPrivileges || c.Writable != nil {
		return nil, notSupported("start job", "Windows has no other user, file mode mask or confinement for one command")
	}
	spec := winproc.Spec{Env: c.Env, Dir: c.Dir, Detached: c.NewSession}
	var err error
	if spec.Path, spec.CommandLine, err = commandLine(c); err != nil {
		return nil, err
	}
	if c.Dir != "" {
		if isDirectory, _ := lookAt(c.Dir); !isDirectory {
			return nil, OSError(windows.ERROR_DIRECTORY, "find directory", "%s", c.Dir)
		}
	}
	for _, handle := range c.Keep {
		spec.Keep = append(spec.Keep, windows.Handle(handle))
	}
	w := &windowsChild{}
	if w.job, w.enforcement, err = a.commandJob(c); err != nil {
		return nil, err
	}
	if err := w.start(c, &spec); err != nil {
		w.closeEnds()
		w.closeRelays()
		w.job.Close()
		if w.port != 0 {
			_ = windows.CloseHandle(w.port)
		}
		return nil, err
	}
	startedCommands.add(w.PID(), w)
	return w, nil
}

func (w *windowsChild) start(c *Command, spec *winproc.Spec) error {
	port, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 1)
	if err != nil {
		return windowsError(win32.Failed("CreateIoCompletionPort", err), "")
	}
	w.port = port
	if err := w.job.Associate(port, jobKey); err != nil {
		return windowsError(err, "")
	}
	owned, err := w.connect(c, &spec.Streams)
	defer func() {
		for _, handle := range owned {
			_ = windows.CloseHandle(handle)
		}
	}()
	if err != nil {
		return err
	}
	w.process, err = winproc.Start(spec, func(process windows.Handle) error {
		if err := w.job.Assign(process); err != nil || c.Priority == nil {
			return err
		}
		// The job has the class for all of its processes; Wine, which does not keep that, has it for the first.
		return win32.Failed("SetPriorityClass", windows.SetPriorityClass(process, classOf(*c.Priority)))
	})
	if err != nil {
		return windowsError(err, "%s", c.Args[0])
	}
	w.living, w.most = 1, 1
	return nil
}

// commandLine finds the program's file and writes its command line.
func commandLine(c *Command) (path, line string, err error) {
	for _, file := range cmdline.Candidates(c.Args[0], c.Dir, c.Env) {
		if isDirectory, exists := lookAt(file); exists && !isDirectory {
			path = file
			break
		}
	}
	if path == "" {
		return "", "", OSError(windows.ERROR_FILE_NOT_FOUND, "find program", "%s", c.Args[0])
	}
	if cmdline.IsBatch(path) {
		if line, err = cmdline.Batch(path, c.Args[1:]); err == nil {
			path, err = commandProcessor()
		}
	} else {
		line, err = cmdline.Join(c.Args)
	}
	var known *Error
	if errors.As(err, &known) {
		return "", "", known
	}
	if err != nil {
		return "", "", Errorf(StatusEINVAL, "check command", "%s: %s", c.Args[0], err)
	}
	if winproc.Units(line) >= longestCommandLine {
		return "", "", Errorf(StatusEINVAL, "check command", "the command line is longer than the %d characters that Windows takes",
			longestCommandLine-1)
	}
	return path, line, nil
}

// lookAt tells what a path leads to.
func lookAt(path string) (isDirectory, exists bool) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return false, false
	}
	attributes, err := windows.GetFileAttributes(name)
	return err == nil && attributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0, err == nil
}

// commandProcessor is cmd.exe, in the system's own directory: PATH could name another.
func commandProcessor() (string, error) {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		return "", windowsError(win32.Failed("GetSystemDirectory", err), "")
	}
	return system + `\cmd.exe`, nil
}

// standardHandle is the handle of a stream of the caller; 0 where it has none.
func standardHandle(stream Stream) windows.Handle {
	number := [3]uint32{windows.STD_INPUT_HANDLE, windows.STD_OUTPUT_HANDLE, windows.STD_ERROR_HANDLE}[stream]
	handle, err := windows.GetStdHandle(number)
	if err != nil || handle == windows.InvalidHandle || handle == 0 {
		return 0
	}
	if _, err := win32.HandleFlags(handle); err != nil {
		return 0
	}
	return handle
}

// descriptorHandle is the handle that a descriptor names: 0, 1 and 2 are the caller's streams, others are handles.
func descriptorHandle(descriptor int64) windows.Handle {
	if descriptor >= 0 && descriptor <= 2 {
		return standardHandle(Stream(descriptor))
	}
	return windows.Handle(descriptor)
}

// connect opens what the command's streams lead to. owned are handles to be closed after the start.
func (w *windowsChild) connect(c *Command, streams *[3]windows.Handle) (owned []windows.Handle, err error) {
	null := func(i int) error {
		handle, err := winproc.OpenNull()
		if err != nil {
			return windowsError(err, "stream %d", i)
		}
		streams[i] = handle
		owned = append(owned, handle)
		return nil
	}
	for i, target := range c.Streams {
		mode := target.Mode
		if target.Relayed {
			if w.relays[i], err = relayTo(Stream(i), target); err != nil {
				return owned, err
			}
			mode = ModeCapture
		}
		switch mode {
		case ModeInherit:
			if streams[i] = standardHandle(Stream(i)); streams[i] == 0 {
				err = null(i)
			}
		case ModeNull:
			err = null(i)
		case ModeDescriptor:
			streams[i] = descriptorHandle(target.Descriptor)
			if _, failed := win32.HandleFlags(streams[i]); failed != nil {
				err = OSError(win32.Code(failed), "connect streams", "descriptor %d", target.Descriptor)
			}
		case ModeOutput:
			streams[i] = streams[StreamOutput]
		case ModeCapture:
			var here windows.Handle
			if here, streams[i], err = winproc.NewPipe(Stream(i) != StreamInput); err != nil {
				err = windowsError(err, "stream %d", i)
				break
			}
			owned = append(owned, streams[i])
			w.ends[i] = &pipeEnd{handle: here}
			if _, failed := windows.CreateIoCompletionPort(here, w.port, uintptr(i), 0); failed != nil {
				err = windowsError(win32.Failed("CreateIoCompletionPort", failed), "stream %d", i)
				break
			}
			if Stream(i) == StreamInput {
				w.input = c.Input
				w.feed()
			} else {
				w.ends[i].buffer = make([]byte, winproc.PipeBytes)
			}
		}
		if err != nil {
			return owned, err
		}
	}
	return owned, nil
}

func (w *windowsChild) PID() int64 { return int64(w.process.PID) }

func (w *windowsChild) Enforcement(limit Limit) Enforcement { return w.enforcement[limit] }

func (w *windowsChild) Next(timeout time.Duration) (Event, error) {
	if w.exited {
		return Event{Kind: EventExit}, nil
	}
	for _, stream := range []Stream{StreamOutput, StreamError} {
		if r := w.relays[stream]; r == nil || !r.busy {
			w.read(stream)
		}
	}
	timeout = min(max(timeout, 0), longestWait)
	var p win32.Packet
	got, err := win32.WaitPacket(w.port, uint32((timeout+time.Millisecond-1)/time.Millisecond), &p)
	switch {
	case !got && err != nil:
		return Event{}, windowsError(err, "")
	case !got && winproc.Ended(w.process.Handle):
		w.exited = true
		return Event{Kind: EventExit}, nil
	case !got:
		return Event{Kind: EventTimeout}, nil
	case p.Key == jobKey:
		if w.hear(&p) {
			w.exited = true
			return Event{Kind: EventExit}, nil
		}
		return Event{Kind: EventTimeout}, nil
	case p.Key >= relayKey:
		w.relayed(&p)
		return Event{Kind: EventTimeout}, nil
	}
	stream, end := Stream(p.Key), w.ends[p.Key]
	if end == nil { // closed meanwhile
		return Event{Kind: EventTimeout}, nil
	}
	end.pending = false
	switch {
	case stream == StreamInput:
		if err != nil {
			w.closeInput()
			break
		}
		w.input.Take(int(p.Bytes))
		w.feed()
	case err != nil || p.Bytes == 0 && end.overlapped.Internal != 0:
		w.closeEnd(stream)
	case p.Bytes > 0:
		return Event{Kind: EventOutput, Stream: stream, Data: end.buffer[:p.Bytes]}, nil
	}
	return Event{Kind: EventTimeout}, nil
}

// hear takes a message of the job's, and tells whether the command has ended.
func (w *windowsChild) hear(p *win32.Packet) (ended bool) {
	switch jobobject.Message(p.Bytes) {
	case jobobject.JobMemoryLimit, jobobject.ProcessMemoryLimit:
		w.reason = ReasonMemory
	case jobobject.ActiveProcessLimit:
		w.reason = ReasonProcesses
	case jobobject.EndOfJobTime, jobobject.EndOfProcessTime:
		w.reason = ReasonCPUTime
	case jobobject.NewProcess:
		if uint32(p.Overlapped) != w.process.PID { // which was counted at the start
			w.living++
			w.most = max(w.most, w.living)
		}
	case jobobject.ExitProcess, jobobject.AbnormalExitProcess:
		w.living--
		if uint32(p.Overlapped) == w.process.PID {
			// The message comes a little before the process counts as ended.
			_, _ = windows.WaitForSingleObject(w.process.Handle, windows.INFINITE)
			return true
		}
	case jobobject.ActiveProcessZero:
		return winproc.Ended(w.process.Handle)
	}
	return false
}

// read asks for what a stream has, if nothing is asked for.
func (w *windowsChild) read(stream Stream) {
	end := w.ends[stream]
	if end == nil || end.pending {
		return
	}
	end.overlapped = windows.Overlapped{}
	err := windows.ReadFile(end.handle, end.buffer, nil, &end.overlapped)
	if err != nil && err != windows.ERROR_IO_PENDING {
		w.closeEnd(stream)
		return
	}
	end.pending = true // what came at once is on the port too
}

// feed gives the command the next part of its input, and closes the pipe after the last.
func (w *windowsChild) feed() {
	end := w.ends[StreamInput]
	rest := w.input.Bytes()
	if len(rest) == 0 {
		w.closeInput()
		return
	}
	end.buffer = rest[:min(len(rest), winproc.PipeBytes)]
	end.overlapped = windows.Overlapped{}
	err := windows.WriteFile(end.handle, end.buffer, nil, &end.overlapped)
	if err != nil && err != windows.ERROR_IO_PENDING { // nobody reads
		w.closeInput()
		return
	}
	end.pending = true
}

func (w *windowsChild) closeInput() {
	w.closeEnd(StreamInput)
	w.input.Free()
}

// threadCount counts the threads of the system now and then: it is a list of all processes.
type threadCount struct {
	at       time.Time
	byParent map[uint32]uint32
}

const threadsGoodFor = 250 * time.Millisecond

func (t *threadCount) refresh(now time.Time) {
	if t.byParent != nil && now.Sub(t.at) < threadsGoodFor {
		return
	}
	entries, err := winproc.Snapshot()
	if err != nil {
		return
	}
	t.at, t.byParent = now, make(map[uint32]uint32, len(entries))
	for _, e := range entries {
		t.byParent[e.PID] = e.Threads
	}
}

// openMember opens a process to look at. Wine tells of jobs to those with the larger access alone.
func openMember(pid uint32) (windows.Handle, error) {
	handle, err := winproc.Open(pid, windows.PROCESS_QUERY_INFORMATION)
	if win32.Code(err) == windows.ERROR_ACCESS_DENIED {
		return winproc.Open(pid, windows.PROCESS_QUERY_LIMITED_INFORMATION)
	}
	return handle, err
}

func (w *windowsChild) Sample(quick bool, s *Sample) error {
	*s = Sample{Exceeded: w.reason}
	list, buffer, err := w.job.Processes(w.list)
	w.list = buffer
	if err != nil {
		return windowsError(err, "")
	}
	if !quick {
		w.threads.refresh(time.Now())
	}
	for _, id := range list {
		handle, err := openMember(uint32(id))
		if err != nil { // it has ended
			continue
		}
		var m win32.MemoryCounters
		if w.job.Has(handle) && win32.ProcessMemory(handle, &m) == nil {
			s.Resident += uint64(m.WorkingSet)
			if virtual, err := win32.ProcessVirtual(handle); !quick && err == nil {
				s.Virtual += virtual
			}
			s.Threads += int(w.threads.byParent[uint32(id)])
		}
		_ = windows.CloseHandle(handle)
	}
	s.Processes = len(list)
	if quick {
		return nil
	}
	account, err := w.job.Account()
	if err != nil {
		return windowsError(err, "")
	}
	s.User, s.System = account.User, account.Kernel // of those that have ended, too
	return nil
}

func (w *windowsChild) Signal(signal int32) error {
	if err := checkSignal(signal); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return Errorf(StatusESRCH, "find process", "the job has ended")
	}
	switch signal {
	case 0:
		return nil
	case signalBreak:
		err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, w.process.PID)
		if err != nil {
			return windowsError(win32.Failed("GenerateConsoleCtrlEvent", err), "process %d", w.process.PID)
		}
		return nil
	}
	return w.terminate(signal)
}

// terminate ends the job's processes. The caller holds w.mu.
func (w *windowsChild) terminate(signal int32) error {
	if w.signal == 0 {
		w.signal = signal
	}
	if err := w.job.Terminate(exitCodeOf(signal)); err != nil {
		return windowsError(err, "process %d", w.process.PID)
	}
	return nil
}

func (w *windowsChild) Terminate() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = true
	// Programs without a console of the caller's do not hear it: they are ended when the time that they were given is over.
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, w.process.PID)
	return nil
}

func (w *windowsChild) Kill() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return nil
	}
	return w.terminate(signalKill)
}

func (w *windowsChild) Finish(output func(Stream, []byte)) (Exit, error) {
	// What the command has left behind ends with it.
	w.mu.Lock()
	_ = w.job.Terminate(exitCodeOf(signalKill))
	w.mu.Unlock()
	account := w.awaitZero()
	_, _ = windows.WaitForSingleObject(w.process.Handle, windows.INFINITE)
	var code uint32
	err := windows.GetExitCodeProcess(w.process.Handle, &code)
	for _, stream := range []Stream{StreamOutput, StreamError} {
		w.drain(stream, output)
	}
	w.closeEnds()
	w.finishRelays()
	w.hearRest()
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	startedCommands.remove(w.PID())
	if err != nil {
		return Exit{}, windowsError(win32.Failed("GetExitCodeProcess", err), "process %d", w.process.PID)
	}
	exit := Exit{Observed: true, Code: int32(code), User: account.User, System: account.Kernel, Reason: w.reason, Processes: w.most}
	if peak, err := w.job.PeakMemory(); err == nil {
		exit.PeakResident = peak
	}
	w.judge(code, account, &exit)
	return exit, nil
}

// judge tells what ended the command from its exit code.
func (w *windowsChild) judge(code uint32, account jobobject.Account, exit *Exit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const controlCExit = 0xC000013A // STATUS_CONTROL_C_EXIT
	timed := w.enforcement[LimitCPUTime] != EnforcementNone
	switch {
	case w.signal != 0 && code == exitCodeOf(w.signal):
		exit.Code, exit.Signal = -1, w.signal
	case w.asked && code == controlCExit:
		exit.Code, exit.Signal = -1, signalTerminate
	case timed && account.Terminated > 0 && code == uint32(windows.ERROR_NOT_ENOUGH_QUOTA):
		exit.Reason = ReasonCPUTime // at the end of the job's time the kernel ends it with this code
	}
}

// awaitZero waits until no process of the job is left, and reads its account. The results of operations whose packets it takes
// meanwhile are where drain looks for them.
func (w *windowsChild) awaitZero() jobobject.Account {
	for {
		account, err := w.job.Account()
		if err != nil || account.Active == 0 {
			return account
		}
		var p win32.Packet
		if got, _ := win32.WaitPacket(w.port, 1, &p); got {
			w.take(&p)
		}
	}
}

// hearRest takes the messages that are there.
func (w *windowsChild) hearRest() {
	var p win32.Packet
	for {
		if got, _ := win32.WaitPacket(w.port, 0, &p); !got {
			return
		}
		w.take(&p)
	}
}

// take takes a packet at the end of the job, when those of the streams tell nothing more.
func (w *windowsChild) take(p *win32.Packet) {
	switch {
	case p.Key == jobKey:
		w.hear(p)
	case p.Key >= relayKey:
		w.relayed(p)
	}
}

// drain gives out what is still in a pipe to which nobody writes any more.
func (w *windowsChild) drain(stream Stream, output func(Stream, []byte)) {
	end := w.ends[stream]
	if end == nil {
		return
	}
	take := func() error {
		var n uint32
		err := windows.GetOverlappedResult(end.handle, &end.overlapped, &n, true)
		end.pending = false
		if err == nil && n > 0 {
			output(stream, end.buffer[:n])
		}
		return err
	}
	if end.pending {
		_ = windows.CancelIoEx(end.handle, &end.overlapped)
		if err := take(); err != nil && err != windows.ERROR_OPERATION_ABORTED {
			return
		}
	}
	for {
		if available, err := win32.PipeBytes(end.handle); err != nil || available == 0 {
			return
		}
		w.read(stream)
		if w.ends[stream] == nil || take() != nil {
			return
		}
	}
}

// closeEnd closes an end. What was under way there is over first: the buffer is the system's until then.
func (w *windowsChild) closeEnd(stream Stream) {
	end := w.ends[stream]
	if end == nil {
		return
	}
	if end.pending {
		_ = windows.CancelIoEx(end.handle, &end.overlapped)
		var n uint32
		_ = windows.GetOverlappedResult(end.handle, &end.overlapped, &n, true)
	}
	_ = windows.CloseHandle(end.handle)
	w.ends[stream] = nil
	w.closeRelay(stream)
}

func (w *windowsChild) closeEnds() {
	for stream := range w.ends {
		w.closeEnd(Stream(stream))
	}
	if w.input != nil {
		w.input.Free()
	}
}

func (w *windowsChild) Close() error {
	w.mu.Lock()
	ended, closed := w.ended, w.closed
	w.closed = true
	w.mu.Unlock()
	if closed {
		return nil
	}
	if !ended {
		if err := w.Kill(); err != nil {
			return err
		}
		_, _ = windows.WaitForSingleObject(w.process.Handle, windows.INFINITE)
		if _, err := w.Finish(func(Stream, []byte) {}); err != nil {
			return err
		}
	}
	_ = windows.CloseHandle(w.process.Handle)
	_ = windows.CloseHandle(w.port)
	w.job.Close()
	return nil
}
