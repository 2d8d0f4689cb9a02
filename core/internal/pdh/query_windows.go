package pdh

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/win32"
)

// The library is loaded when a counter is first asked for.
var library = windows.NewLazySystemDLL("pdh.dll")

var (
	openQuery         = library.NewProc("PdhOpenQueryW")
	addEnglishCounter = library.NewProc("PdhAddEnglishCounterW")
	collectQueryData  = library.NewProc("PdhCollectQueryData")
	getRawCounter     = library.NewProc("PdhGetRawCounterValue")
)

// Value is a counter as the system keeps it, before anything is worked out: what First and Second mean is said by the type of
// the counter.
type Value struct{ First, Second int64 }

// rawCounter is PDH_RAW_COUNTER.
type rawCounter struct {
	status, timeLow, timeHigh uint32
	first, second             int64
	multi                     uint32
}

// Query is a set of counters that are read together. Those that the system does not have are left out.
type Query struct {
	mu       sync.Mutex
	paths    []string
	opened   bool
	query    uintptr
	counters map[string]uintptr
}

// New is a query of counters by their English paths, such as `\System\Processor Queue Length`. It is opened when it is first
// read, which can take a while, and stays open.
func New(paths ...string) *Query { return &Query{paths: paths} }

// Read reads the counters, by their paths.
func (q *Query) Read() (map[string]Value, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.open(); err != nil {
		return nil, err
	}
	if len(q.counters) == 0 {
		return nil, nil
	}
	if status, _, _ := syscall.SyscallN(collectQueryData.Addr(), q.query); status != 0 {
		return nil, failed("PdhCollectQueryData", status)
	}
	values := make(map[string]Value, len(q.counters))
	for path, counter := range q.counters {
		var raw rawCounter
		status, _, _ := syscall.SyscallN(getRawCounter.Addr(), counter, 0, uintptr(unsafe.Pointer(&raw)))
		if status == 0 && raw.status <= 1 { // PDH_CSTATUS_VALID_DATA, PDH_CSTATUS_NEW_DATA
			values[path] = Value{raw.first, raw.second}
		}
	}
	return values, nil
}

func (q *Query) open() error {
	if q.opened {
		return nil
	}
	if err := library.Load(); err != nil {
		return win32.Failed("LoadLibrary", windows.ERROR_MOD_NOT_FOUND)
	}
	if status, _, _ := syscall.SyscallN(openQuery.Addr(), 0, 0, uintptr(unsafe.Pointer(&q.query))); status != 0 {
		return failed("PdhOpenQuery", status)
	}
	q.opened, q.counters = true, map[string]uintptr{}
	for _, path := range q.paths {
		text, err := windows.UTF16PtrFromString(path)
		if err != nil {
			continue
		}
		var counter uintptr
		status, _, _ := syscall.SyscallN(addEnglishCounter.Addr(), q.query, uintptr(unsafe.Pointer(text)), 0, uintptr(unsafe.Pointer(&counter)))
		if status == 0 {
			q.counters[path] = counter
		}
	}
	return nil
}

// failed makes an error of a status of the library's own kind.
func failed(call string, status uintptr) error {
	return &win32.Error{Call: call, Code: syscall.Errno(uint32(status))}
}
