package procfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const canReadWithoutAllocation = true

func TestTheKeptDescriptorGivesWhatOpeningTheFileGives(t *testing.T) {
	self := NewSelfStatm(New("/proc"))
	for range 3 {
		kept, err := self.Read()
		require.NoError(t, err)
		opened, err := New("/proc").Statm(0)
		require.NoError(t, err)
		assert.InDelta(t, opened.Size, kept.Size, 5000)
		assert.InDelta(t, opened.Resident, kept.Resident, 5000)
	}
}

func TestAClosedDescriptorIsNoticed(t *testing.T) {
	self := NewSelfStatm(New("/proc"))
	_, err := self.Read()
	require.NoError(t, err)
	fd := int(self.file.descriptor.Load())
	require.NoError(t, unix.Close(fd))
	s, err := self.Read()
	require.NoError(t, err)
	assert.Positive(t, s.Resident)
}

func TestADescriptorThatTheHostReusesIsNoticedAndLeftAlone(t *testing.T) {
	self := NewSelfStatm(New("/proc"))
	_, err := self.Read()
	require.NoError(t, err)
	fd := int(self.file.descriptor.Load())
	// The host closes everything and opens, under the same number, a file that looks just like it.
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteString("7 7 7 7 0 7 0\n")
	require.NoError(t, err)
	require.NoError(t, unix.Dup3(int(file.Fd()), fd, unix.O_CLOEXEC))
	s, err := self.Read()
	require.NoError(t, err)
	assert.NotEqual(t, Statm{Size: 7, Resident: 7, Shared: 7}, s)
	assert.NotEqual(t, fd, int(self.file.descriptor.Load()))
	_, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	assert.NoError(t, err, "the host's descriptor stays open")
	require.NoError(t, unix.Close(fd))
}

func TestReadingsFromManyThreadsKeepOneDescriptor(t *testing.T) {
	before, err := New("/proc").Descriptors(0)
	require.NoError(t, err)
	self := NewSelfStatm(New("/proc"))
	done := make(chan error)
	for range 16 {
		go func() {
			var failed error
			for range 200 {
				if _, err := self.Read(); err != nil {
					failed = err
				}
			}
			done <- failed
		}()
	}
	for range 16 {
		require.NoError(t, <-done)
	}
	after, err := New("/proc").Descriptors(0)
	require.NoError(t, err)
	assert.LessOrEqual(t, after, before+1)
}

func TestTheLastProcessIDIsReadFromAKeptDescriptorThatTheHostMayTake(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(root, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	ours := write("loadavg", "0.1 0.2 0.3 1/99 4711\n")
	load := NewLoadAverage(New(root))
	last := func() int {
		pid, err := load.LastPID()
		require.NoError(t, err)
		return pid
	}
	assert.Equal(t, 4711, last())
	write("loadavg", "0.1 0.2 0.3 1/99 4712\n")
	assert.Equal(t, 4712, last())
	fd := int(load.file.descriptor.Load())
	require.Positive(t, fd)

	// The host closes everything and opens, under the same number, a file that looks just like it.
	file, err := os.Open(write("saved", "0.1 0.2 0.3 1/99 1\n"))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, unix.Dup3(int(file.Fd()), fd, unix.O_CLOEXEC))
	assert.Equal(t, 4712, last())
	assert.NotEqual(t, fd, int(load.file.descriptor.Load()))
	require.NoError(t, unix.Close(fd), "the host's descriptor stays open")

	require.NoError(t, unix.Close(int(load.file.descriptor.Load())))
	assert.Equal(t, 4712, last())
	require.NoError(t, os.Remove(ours))
	require.NoError(t, unix.Close(int(load.file.descriptor.Load())))
	_, err = load.LastPID()
	assert.Error(t, err)
	write("loadavg", "")
	_, err = load.LastPID()
	assert.ErrorIs(t, err, ErrFormat)
}
