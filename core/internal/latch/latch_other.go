//go:build !linux

package latch

import (
	"sync"
	"time"
)

// Latch is closed at first, and is opened once. Its zero value is closed.
type Latch struct {
	once sync.Once
	made chan struct{}
	open sync.Once
}

func (l *Latch) channel() chan struct{} {
	l.once.Do(func() { l.made = make(chan struct{}) })
	return l.made
}

// Open lets everybody through.
func (l *Latch) Open() { l.open.Do(func() { close(l.channel()) }) }

// IsOpen reports whether it has been opened.
func (l *Latch) IsOpen() bool {
	select {
	case <-l.channel():
		return true
	default:
		return false
	}
}

// Wait waits until it is open, for timeout at most. Signals do not end the wait here.
func (l *Latch) Wait(timeout time.Duration, _ bool) Outcome {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-l.channel():
		return Opened
	case <-timer.C:
		if l.IsOpen() { // both have come
			return Opened
		}
		return TimedOut
	}
}

// Sleep sleeps.
func Sleep(d time.Duration) { time.Sleep(d) }
