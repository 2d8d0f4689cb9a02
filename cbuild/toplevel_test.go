package main

import (
	"slices"
	"testing"
)

func TestWhatAToolLeavesAtTheTopIsAFault(t *testing.T) {
	root := plant(t, map[string]string{
		"README.md": "", "core/a.go": "", "build/x": "", ".gitignore": "", "control/queue.exchange": "", "go.work": "",
	})
	got, err := strayEntries(root)
	tail := ": does not belong in the top directory"
	if want := []string{"control" + tail, "go.work" + tail}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
