package procfs

import (
	"os"
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
	fd := int(self.descriptor.Load())
	require.NoError(t, unix.Close(fd))
	s, err := self.Read()
	require.NoError(t, err)
	assert.Positive(t, s.Resident)
}

func TestADescriptorThatTheHostReusesIsNoticedAndLeftAlone(t *testing.T) {
	self := NewSelfStatm(New("/proc"))
	_, err := self.Read()
	require.NoError(t, err)
	fd := int(self.descriptor.Load())
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
	assert.NotEqual(t, fd, int(self.descriptor.Load()))
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
