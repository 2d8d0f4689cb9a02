package winproc

import (
	"fmt"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/win32"
)

// PipeBytes is how much a pipe holds.
const PipeBytes = 64 << 10

// NewPipe makes a pipe whose end here can be waited for on a completion port, and whose end for a command is an ordinary one.
// The command writes, or reads, it.
func NewPipe(commandWrites bool) (here, there windows.Handle, err error) {
	open, access := uint32(windows.PIPE_ACCESS_OUTBOUND), uint32(windows.GENERIC_READ)
	if commandWrites {
		open, access = windows.PIPE_ACCESS_INBOUND, windows.GENERIC_WRITE|windows.FILE_READ_ATTRIBUTES
	} else {
		access |= windows.FILE_WRITE_ATTRIBUTES
	}
	const rejectRemote, firstInstance = 0x8, 0x80000
	for attempt := 0; ; attempt++ {
		name, err := windows.UTF16PtrFromString(fmt.Sprintf(`\\.\pipe\libmimir.%d.%016x`, os.Getpid(), rand.Uint64()))
		if err != nil {
			return 0, 0, win32.Failed("CreateNamedPipe", windows.ERROR_INVALID_NAME)
		}
		here, err = windows.CreateNamedPipe(name, open|windows.FILE_FLAG_OVERLAPPED|firstInstance,
			windows.PIPE_TYPE_BYTE|rejectRemote, 1, PipeBytes, PipeBytes, 0, nil)
		if err == windows.ERROR_ACCESS_DENIED && attempt < 3 { // somebody has a pipe of this name
			continue
		}
		if err != nil {
			return 0, 0, win32.Failed("CreateNamedPipe", err)
		}
		there, err = windows.CreateFile(name, access, 0, nil, windows.OPEN_EXISTING, 0, 0)
		if err != nil {
			_ = windows.CloseHandle(here)
			return 0, 0, win32.Failed("CreateFile", err)
		}
		return here, there, nil
	}
}

// OpenNull opens the null device.
func OpenNull() (windows.Handle, error) {
	name, _ := windows.UTF16PtrFromString("NUL")
	handle, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil, windows.OPEN_EXISTING, 0, 0)
	return handle, win32.Failed("CreateFile", err)
}
