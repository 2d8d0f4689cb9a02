package core

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/windows"

	"libmimir/core/internal/win32"
	"libmimir/core/internal/winproc"
)

// windowsRelay is output on its way to a handle, a copy of the caller's. The handle may be of any kind and its reader slow, and a
// write to it waits: so a thread of its own makes it, and tells the job's port when it is done. The command's pipe is not read
// meanwhile. All but the thread's part belongs to the holder of the child.
type windowsRelay struct {
	to   windows.Handle
	busy bool // a write is under way
	rest []byte

	mu     sync.Mutex
	thread windows.Handle // that writes now, 0 for none
	given  bool           // up: it is not to write on
}

// relayTo makes the copy of the handle that a relayed stream leads to. Where the caller has no such stream the output goes
// nowhere, as that of other commands does.
func relayTo(stream Stream, target StreamTarget) (*windowsRelay, error) {
	from := standardHandle(stream)
	if target.Mode == ModeDescriptor {
		from = descriptorHandle(target.Descriptor)
	} else if from == 0 {
		null, err := winproc.OpenNull()
		if err != nil {
			return nil, windowsError(err, "stream %d", stream)
		}
		return &windowsRelay{to: null}, nil
	}
	r := &windowsRelay{}
	own := windows.CurrentProcess()
	if err := windows.DuplicateHandle(own, from, own, &r.to, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return nil, OSError(err, "connect streams", "descriptor %d", target.Descriptor)
	}
	return r, nil
}

func (w *windowsChild) PassOn(stream Stream, data []byte) {
	r := w.relays[stream]
	if r == nil { // nobody reads
		return
	}
	r.rest = append(r.rest, data...)
	w.write(stream)
}

// write sets a thread to write what there is, if none is at it.
func (w *windowsChild) write(stream Stream) {
	r := w.relays[stream]
	if r.busy || len(r.rest) == 0 {
		return
	}
	data := r.rest
	r.busy, r.rest = true, nil
	go func() {
		written := uint32(0)
		if r.writeAll(data) {
			written = 1
		}
		_ = windows.PostQueuedCompletionStatus(w.port, written, relayKey+uintptr(stream), nil)
	}()
}

// writeAll writes in the thread that it is called in, and reports whether there was somebody to read. It can be cancelled.
func (r *windowsRelay) writeAll(data []byte) bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := windows.CurrentProcess()
	var thread windows.Handle
	if err := windows.DuplicateHandle(own, windows.CurrentThread(), own, &thread, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return false
	}
	r.mu.Lock()
	r.thread = thread
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.thread = 0
		r.mu.Unlock()
		_ = windows.CloseHandle(thread)
	}()
	for len(data) > 0 {
		r.mu.Lock()
		given := r.given
		r.mu.Unlock()
		if given {
			return false
		}
		var n uint32
		if err := windows.WriteFile(r.to, data, &n, nil); err != nil || n == 0 {
			return false
		}
		data = data[n:]
	}
	return true
}

// giveUp makes a write that waits end.
func (r *windowsRelay) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given = true
	if r.thread != 0 {
		_ = win32.CancelSynchronousIo(r.thread)
	}
}

// relayed takes the packet of a write that is over.
func (w *windowsChild) relayed(p *win32.Packet) {
	stream := Stream(p.Key - relayKey)
	r := w.relays[stream]
	if r == nil {
		return
	}
	r.busy = false
	if p.Bytes == 0 { // nobody reads: the command finds out as it would have without us
		r.rest = nil
		w.closeEnd(stream) // and with it the relay
	} else {
		w.write(stream)
	}
	w.closeRelay(stream)
}

// closeRelay closes the handle of a relay that has nothing more to write, so that who reads sees the end.
func (w *windowsChild) closeRelay(stream Stream) {
	r := w.relays[stream]
	if r == nil || r.busy || len(r.rest) > 0 || w.ends[stream] != nil {
		return
	}
	_ = windows.CloseHandle(r.to)
	w.relays[stream] = nil
}

// finishRelays waits until what is left at the end of a job is written, and gives up when its reader takes too long.
func (w *windowsChild) finishRelays() {
	end := time.Now().Add(lastPatience)
	for stream := range w.relays {
		for r := w.relays[stream]; r != nil && w.relays[stream] == r; {
			if w.closeRelay(Stream(stream)); w.relays[stream] == nil {
				break
			}
			if time.Now().After(end) {
				r.rest = nil
				r.giveUp() // again as long as it takes: the thread may be about to write
			}
			var p win32.Packet
			if got, _ := win32.WaitPacket(w.port, 10, &p); got {
				w.take(&p)
			}
		}
	}
}

// closeRelays closes the relays of a command that was not started.
func (w *windowsChild) closeRelays() {
	for stream := range w.relays {
		w.closeRelay(Stream(stream))
	}
}
