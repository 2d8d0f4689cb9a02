package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryLimitHasANameAndAnAnswerForEveryScope(t *testing.T) {
	for _, limit := range Limits {
		assert.True(t, limit.Known())
		assert.NotEmpty(t, limitNames[limit])
		for scope := ScopeSelf; scope <= ScopeJob; scope++ {
			_, err := Supports(Native(), limit, scope)
			assert.NoError(t, err)
		}
	}
	assert.Len(t, Limits, int(limitEnd)-1)
	_, err := Supports(Native(), Limit(len(Limits)+1), ScopeSelf)
	assert.ErrorIs(t, err, StatusEINVAL)
	for _, scope := range []Scope{0, 4, -1} {
		_, err := Supports(Native(), LimitMemory, scope)
		assert.ErrorIs(t, err, StatusEINVAL)
	}
}

func TestAnAmountIsWrittenInItsUnit(t *testing.T) {
	assert.Equal(t, "unlimited", Amount(LimitMemory, Unlimited))
	assert.Equal(t, "1024 bytes", Amount(LimitFileSize, 1024))
	assert.Equal(t, "1.5 s", Amount(LimitCPUTime, 1_500_000_000))
	assert.Equal(t, "32", Amount(LimitOpenFiles, 32))
}
