package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAPriorityIsOneOfTheClassesOfWindows(t *testing.T) {
	classes := []Priority{PriorityHighest, PriorityHigh, PriorityAboveNormal, PriorityNormal, PriorityBelowNormal, PriorityLow}
	for _, class := range classes {
		assert.Equal(t, class, class.Class(), "a class stands for itself")
	}
	before := PriorityHighest
	for p := PriorityHighest; p <= PriorityLow; p++ {
		class := p.Class()
		assert.Contains(t, classes, class)
		assert.GreaterOrEqual(t, class, before, "%d: the order is kept", p)
		before = class
	}
	assert.Equal(t, PriorityHigh, Priority(-19).Class(), "only the highest takes the machine from everybody")
	assert.Equal(t, PriorityNormal, Priority(9).Class())
	assert.Equal(t, PriorityBelowNormal, Priority(18).Class())
}

func TestAPriorityThatIsNoneChangesNothing(t *testing.T) {
	before, err := ReadPriority(Native(), 0)
	assert.NoError(t, err)
	for _, p := range []Priority{-21, 20, 1 << 30, -1 << 31} {
		assert.Equal(t, StatusEINVAL, StatusOf(SetPriority(Native(), 0, p)), "%d", p)
	}
	for _, pid := range []int64{-1, 1 << 31, 1 << 40} {
		assert.Equal(t, StatusEINVAL, StatusOf(SetPriority(Native(), pid, before)), "%d", pid)
		_, err := ReadPriority(Native(), pid)
		assert.Equal(t, StatusEINVAL, StatusOf(err), "%d", pid)
	}
	const gone = 1<<31 - 1
	assert.Equal(t, StatusESRCH, StatusOf(SetPriority(Native(), gone, PriorityNormal)))
	_, err = ReadPriority(Native(), gone)
	assert.Equal(t, StatusESRCH, StatusOf(err))
	after, err := ReadPriority(Native(), 0)
	assert.NoError(t, err)
	assert.Equal(t, before, after)
}
