//go:build linux

package main

import (
	"os"
	"strconv"
	"testing"

	"libmimir/tests/fork/hammer"
)

// With -race, as in make test-go, the detector watches the Go side. A library with it cannot be loaded into a C program.
func TestThirtyTwoHostThreadsOverAllFunctionsGetTheirOwnAnswers(t *testing.T) {
	seconds, err := strconv.ParseFloat(os.Getenv("MIMIR_SECONDS"), 64)
	if err != nil {
		seconds = 3
	}
	if calls := hammer.Run(32, seconds); calls < 100 {
		t.Errorf("%d calls", calls)
	}
}
