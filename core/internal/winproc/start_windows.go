package winproc

import (
	"runtime"
	"slices"
	"strings"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/win32"
)

// Spec is what to start.
type Spec struct {
	// Path is the program's file, CommandLine what it reads its arguments from.
	Path, CommandLine string
	// Env is the whole environment, strings "NAME=value".
	Env []string
	// Dir is the directory to start in, "" for the caller's.
	Dir string
	// Streams are its standard input, output and error.
	Streams [3]windows.Handle
	// Keep are handles that it gets under their own numbers.
	Keep []windows.Handle
	// Detached starts it without a console.
	Detached bool
}

// Process is a process that was started. The handle has all access.
type Process struct {
	PID    uint32
	Handle windows.Handle
}

// Start starts a program. prepare is called when the process is there and before its first instruction; when it fails, the
// process ends without having run.
func Start(s *Spec, prepare func(windows.Handle) error) (Process, error) {
	path, err := utf16Pointer("Path", s.Path)
	if err != nil {
		return Process{}, err
	}
	line, err := utf16Pointer("CommandLine", s.CommandLine)
	if err != nil {
		return Process{}, err
	}
	var dir *uint16
	if s.Dir != "" {
		if dir, err = utf16Pointer("Dir", s.Dir); err != nil {
			return Process{}, err
		}
	}
	block, err := environmentBlock(s.Env)
	if err != nil {
		return Process{}, err
	}
	handles, err := inheritable(s)
	defer handles.close()
	if err != nil {
		return Process{}, err
	}
	attributes, err := windows.NewProcThreadAttributeList(1)
	if err != nil {
		return Process{}, win32.Failed("InitializeProcThreadAttributeList", err)
	}
	defer attributes.Delete()
	list := handles.list()
	err = attributes.Update(windows.PROC_THREAD_ATTRIBUTE_HANDLE_LIST, unsafe.Pointer(&list[0]),
		uintptr(len(list))*unsafe.Sizeof(list[0]))
	if err != nil {
		return Process{}, win32.Failed("UpdateProcThreadAttribute", err)
	}
	startup := windows.StartupInfoEx{ProcThreadAttributeList: attributes.List()}
	startup.Cb = uint32(unsafe.Sizeof(startup))
	startup.Flags = windows.STARTF_USESTDHANDLES
	startup.StdInput, startup.StdOutput, startup.StdErr = handles.streams[0], handles.streams[1], handles.streams[2]
	flags := uint32(windows.CREATE_SUSPENDED | windows.CREATE_UNICODE_ENVIRONMENT | windows.EXTENDED_STARTUPINFO_PRESENT |
		windows.CREATE_NEW_PROCESS_GROUP)
	switch {
	case s.Detached:
		flags |= windows.DETACHED_PROCESS
	case !win32.HasConsoleWindow(): // a console of its own would show a window
		flags |= windows.CREATE_NO_WINDOW
	}
	var made windows.ProcessInformation
	err = windows.CreateProcess(path, line, nil, nil, true, flags, &block[0], dir, &startup.StartupInfo, &made)
	runtime.KeepAlive(list)
	if err != nil {
		return Process{}, win32.Failed("CreateProcess", err)
	}
	defer windows.CloseHandle(made.Thread)
	err = prepare(made.Process)
	if err == nil {
		_, err = windows.ResumeThread(made.Thread)
		err = win32.Failed("ResumeThread", err)
	}
	if err != nil {
		_ = windows.TerminateProcess(made.Process, 1)
		_ = windows.CloseHandle(made.Process)
		return Process{}, err
	}
	return Process{made.ProcessId, made.Process}, nil
}

func utf16Pointer(what, text string) (*uint16, error) {
	p, err := windows.UTF16PtrFromString(text)
	if err != nil {
		return nil, &win32.Error{Call: "CreateProcess: " + what, Code: windows.ERROR_INVALID_PARAMETER}
	}
	return p, nil
}

// environmentBlock writes the variables as CreateProcess reads them: sorted by name in capitals, of two of the same name the
// last, each with a final zero, and one more at the end.
func environmentBlock(variables []string) ([]uint16, error) {
	type variable struct{ name, text string }
	last := map[string]int{}
	var sorted []variable
	for _, text := range variables {
		end := strings.IndexByte(text, '=')
		if end == 0 { // =C: is the current directory of a drive
			end = strings.IndexByte(text[1:], '=') + 1
		}
		if end < 0 {
			end = len(text)
		}
		name := strings.ToUpper(text[:end])
		if at, known := last[name]; known {
			sorted[at].text = text
			continue
		}
		last[name] = len(sorted)
		sorted = append(sorted, variable{name, text})
	}
	slices.SortStableFunc(sorted, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	var block []uint16
	for _, v := range sorted {
		text, err := windows.UTF16FromString(v.text)
		if err != nil {
			return nil, &win32.Error{Call: "CreateProcess: Env", Code: windows.ERROR_INVALID_PARAMETER}
		}
		block = append(block, text...)
	}
	if len(block) == 0 { // an empty block is two zeros
		block = append(block, 0)
	}
	return append(block, 0), nil
}

// Units counts what a text takes in UTF-16, the unit of the longest command line.
func Units(text string) int {
	n := 0
	for _, r := range text {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// given are handles as the process gets them.
type given struct {
	streams [3]windows.Handle // copies, to be closed here
	keep    []windows.Handle
	opened  []windows.Handle // those of keep that were made inheritable for this start
}

// inheritable makes copies of the streams that are inherited, and lets the kept handles be. A process that another thread starts
// meanwhile, without a list of handles, inherits them too: Windows has no way around it.
func inheritable(s *Spec) (*given, error) {
	g := &given{keep: s.Keep}
	self := windows.CurrentProcess()
	for i, stream := range s.Streams {
		err := windows.DuplicateHandle(self, stream, self, &g.streams[i], 0, true, windows.DUPLICATE_SAME_ACCESS)
		if err != nil {
			return g, win32.Failed("DuplicateHandle", err)
		}
	}
	for _, handle := range s.Keep {
		flags, err := win32.HandleFlags(handle)
		if err != nil {
			return g, err
		}
		if flags&windows.HANDLE_FLAG_INHERIT != 0 {
			continue
		}
		err = windows.SetHandleInformation(handle, windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT)
		if err != nil {
			return g, win32.Failed("SetHandleInformation", err)
		}
		g.opened = append(g.opened, handle)
	}
	return g, nil
}

// list is the handles for the attribute, in which none may stand twice.
func (g *given) list() []windows.Handle {
	handles := append(slices.Clone(g.streams[:]), g.keep...)
	slices.Sort(handles)
	return slices.Compact(handles)
}

func (g *given) close() {
	for _, stream := range g.streams {
		if stream != 0 {
			_ = windows.CloseHandle(stream)
		}
	}
	for _, handle := range g.opened {
		_ = windows.SetHandleInformation(handle, windows.HANDLE_FLAG_INHERIT, 0)
	}
}
