package cmdline

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"
)

// commandLineToArgv is the system's own reading.
func commandLineToArgv(t *testing.T, line string) []string {
	t.Helper()
	text, err := windows.UTF16PtrFromString(line)
	require.NoError(t, err)
	var count int32
	list, err := windows.CommandLineToArgv(text, &count)
	require.NoError(t, err)
	defer func() { _, _ = windows.LocalFree(windows.Handle(unsafe.Pointer(list))) }()
	args := make([]string, 0, count)
	for _, arg := range list[:count] {
		args = append(args, windows.UTF16PtrToString(&arg[0]))
	}
	return args
}

func TestWindowsReadsArgumentsAsTheyWereWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5_000 {
		args := randomArgs(r)
		line, err := Join(args)
		require.NoError(t, err)
		require.Equal(t, args, commandLineToArgv(t, line), line)
	}
}

func TestAnyLineIsReadAsWindowsReadsIt(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 5_000 {
		var b strings.Builder
		b.WriteString("x ")
		for range r.IntN(20) {
			b.WriteString(awkward[r.IntN(5)]) // marks, backslashes and spaces
		}
		b.WriteString("a")
		require.Equal(t, commandLineToArgv(t, b.String()), Split(b.String()), "%q", b.String())
	}
}
