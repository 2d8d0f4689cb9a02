package core

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryStatusHasANumberOfItsOwnAndAText(t *testing.T) {
	for s := StatusEINTERNAL; s <= StatusOK; s++ {
		assert.True(t, s.Known(), int32(s))
		assert.NotContains(t, s.String(), "status", int32(s))
	}
	assert.False(t, (StatusEINTERNAL - 1).Known(), "a new status is added here and to the end")
	assert.False(t, Status(1).Known())
}

func TestAnErrorIsFoundByItsStatusAndByItsCause(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", OSError(syscall.ENOENT, "open", "file %s", "x"))
	assert.ErrorIs(t, err, StatusENOENT)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.NotErrorIs(t, err, StatusEPERM)
	assert.Equal(t, StatusENOENT, StatusOf(err))
	assert.Equal(t, "open: file x: "+syscall.ENOENT.Error(), errors.Unwrap(err).Error())
}

func TestAnErrorOfTheModuleKeepsItsStatusWhenItIsReportedAgain(t *testing.T) {
	inner := Errorf(StatusELIMIT, "check", "too much")
	assert.Same(t, inner, OSError(fmt.Errorf("x: %w", inner), "later step", ""))
	assert.Equal(t, StatusEOS, StatusOf(errors.New("of another module")))
	assert.Equal(t, StatusOK, StatusOf(nil))
}
