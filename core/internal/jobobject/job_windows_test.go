package jobobject

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"
)

var onWine = windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil

// made is a job without processes.
func made(t *testing.T) Job {
	t.Helper()
	j, err := New("")
	require.NoError(t, err)
	t.Cleanup(j.Close)
	return j
}

func TestLimitsAreReadBackAsTheyWereSet(t *testing.T) {
	if onWine {
		t.Skip("Wine takes the limits of jobs and remembers few: it is shown on Windows")
	}
	j := made(t)
	want := Limits{
		JobMemory: 1 << 30, ProcessMemory: 1 << 29, JobTime: time.Hour, Processes: 7, CPURate: 2500,
		PriorityClass: windows.BELOW_NORMAL_PRIORITY_CLASS, KillOnClose: true, DieQuietly: true,
	}
	require.NoError(t, j.SetLimits(&want))
	found, err := j.Limits()
	require.NoError(t, err)
	assert.Equal(t, want, found)
	want.CPURate, want.PriorityClass = 0, 0
	require.NoError(t, j.SetLimits(&want))
	found, err = j.Limits()
	require.NoError(t, err)
	assert.Equal(t, want, found)
}

// restrictsUI asks the kernel what RestrictUI has set.
func restrictsUI(j Job) (bool, error) {
	var restrictions uint32
	err := windows.QueryInformationJobObject(j.handle, windows.JobObjectBasicUIRestrictions,
		uintptr(unsafe.Pointer(&restrictions)), uint32(unsafe.Sizeof(restrictions)), nil)
	return restrictions == everyUIRestriction, err
}

func TestTheDesktopIsOpenUnlessItIsAskedFor(t *testing.T) {
	j := made(t)
	closed, err := restrictsUI(j)
	if onWine && err != nil {
		t.Skip("Wine does not tell of it: it is shown on Windows")
	}
	require.NoError(t, err)
	assert.False(t, closed)
	require.NoError(t, j.RestrictUI())
	closed, err = restrictsUI(j)
	require.NoError(t, err)
	if !onWine {
		assert.True(t, closed)
	}
}
