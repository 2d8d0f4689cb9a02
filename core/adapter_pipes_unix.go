//go:build linux || darwin

package core

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pipes are what a command's streams lead to, seen from this side.
type pipes struct {
	// ends are this side's ends, by stream; noPipe where there is none.
	ends   [3]int
	input  *Bytes
	buffer []byte
	relays [3]relay
}

const (
	noPipe = -1
	// pipeBytes is what one reading takes: half of a pipe.
	pipeBytes = 32 << 10
)

var noPipes = pipes{ends: [3]int{noPipe, noPipe, noPipe}, relays: [3]relay{{to: noPipe}, {to: noPipe}, {to: noPipe}}}

// childFiles are what becomes the command's descriptors 0, 1 and 2, and those of them to be closed here after the start.
type childFiles struct {
	numbers [3]int
	owned   []int
}

func (f *childFiles) close() {
	for _, fd := range f.owned {
		_ = unix.Close(fd)
	}
}

func (p *pipes) connect(c *Command) (files childFiles, err error) {
	for i, target := range c.Streams {
		files.numbers[i] = i
		mode := target.Mode
		if target.Relayed {
			if err := p.relayTo(Stream(i), target); err != nil {
				return files, err
			}
			mode = ModeCapture
		}
		switch mode {
		case ModeInherit:
			if _, err := unix.FcntlInt(uintptr(i), unix.F_GETFD, 0); err != nil {
				// The caller has no such stream: the command gets the null device, not whatever is opened next.
				if err := files.openNull(i); err != nil {
					return files, err
				}
			}
		case ModeNull:
			if err := files.openNull(i); err != nil {
				return files, err
			}
		case ModeDescriptor:
			if _, err := unix.FcntlInt(uintptr(target.Descriptor), unix.F_GETFD, 0); err != nil {
				return files, OSError(err, "connect streams", "descriptor %d", target.Descriptor)
			}
			files.numbers[i] = int(target.Descriptor)
		case ModeOutput:
			files.numbers[i] = files.numbers[StreamOutput]
		case ModeCapture:
			var ends [2]int
			if err := newPipe(&ends); err != nil {
				return files, OSError(err, "pipe", "stream %d", i)
			}
			here, there := 0, 1
			if Stream(i) == StreamInput {
				here, there = 1, 0
			}
			p.ends[i] = ends[here]
			files.numbers[i] = ends[there]
			files.owned = append(files.owned, ends[there])
			if err := unix.SetNonblock(ends[here], true); err != nil {
				return files, OSError(err, "fcntl", "stream %d", i)
			}
			if Stream(i) == StreamInput {
				p.input = c.Input
				p.feed() // what the pipe holds is there before the command is; the reading end is still open here
			}
		}
	}
	return files, nil
}

func (f *childFiles) openNull(stream int) error {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return OSError(err, "open "+os.DevNull, "")
	}
	f.numbers[stream] = fd
	f.owned = append(f.owned, fd)
	return nil
}

// relayTo makes a copy of the descriptor that a relayed stream leads to. Where the caller has no such stream the output goes
// nowhere, as that of other commands does.
func (p *pipes) relayTo(stream Stream, target StreamTarget) error {
	from := int(stream)
	if target.Mode == ModeDescriptor {
		from = int(target.Descriptor)
	}
	const afterStreams = 3
	fd, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, afterStreams)
	if err == unix.EBADF && target.Mode == ModeInherit {
		fd, err = unix.Open(os.DevNull, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return OSError(err, "connect streams", "descriptor %d", from)
	}
	p.relays[stream].to = fd
	return nil
}

// take reads what a pipe holds. open is false at its end.
func (p *pipes) take(stream Stream) (data []byte, open bool) {
	if p.buffer == nil {
		p.buffer = make([]byte, pipeBytes)
	}
	for {
		n, err := unix.Read(p.ends[stream], p.buffer)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil, true
		case err != nil || n == 0:
			return nil, false
		}
		return p.buffer[:n], true
	}
}

// relay is output on its way to a descriptor, a copy of the caller's, whose reader may be slow: what does not fit there now
// waits, and the command's pipe is not read meanwhile.
type relay struct {
	to   int
	rest []byte
}

const (
	// atOnce is what a pipe that is ready for writing takes without blocking (PIPE_BUF).
	atOnce = 4096
)

func (p *pipes) PassOn(stream Stream, data []byte) {
	r := &p.relays[stream]
	if r.to == noPipe { // nobody reads
		return
	}
	r.rest = append(r.rest, data...)
	p.relay(stream, 0)
}

// relay writes what is left of a stream as long as there is room for it, or comes to be before the patience is over.
func (p *pipes) relay(stream Stream, patience time.Duration) {
	r := &p.relays[stream]
	for end := time.Now().Add(patience); len(r.rest) > 0; {
		fds := []unix.PollFd{{Fd: int32(r.to), Events: unix.POLLOUT}}
		if n, err := poll(fds, time.Until(end)); err == unix.EINTR {
			continue
		} else if err != nil || n == 0 {
			return
		}
		n, err := writeWithoutSignal(r.to, r.rest[:min(len(r.rest), atOnce)])
		switch err {
		case nil:
			r.rest = r.rest[n:]
		case unix.EINTR, unix.EAGAIN:
		default: // nobody reads: the command finds out as it would have without us
			p.closeRelay(stream)
			p.closeEnd(stream)
		}
	}
	r.rest = nil
	if p.ends[stream] == noPipe { // all that there was: whoever reads is to see the end
		p.closeRelay(stream)
	}
}

func (p *pipes) closeRelay(stream Stream) {
	r := &p.relays[stream]
	r.rest = nil
	if r.to != noPipe {
		_ = unix.Close(r.to)
		r.to = noPipe
	}
}

// finishRelays writes what is left at the end of a job, or drops it when its reader takes too long.
func (p *pipes) finishRelays() {
	for _, stream := range []Stream{StreamOutput, StreamError} {
		p.relay(stream, lastPatience)
		p.closeRelay(stream)
	}
}

// awaited is what to wait for at a stream: the command's end, or room where its output is relayed to.
func (p *pipes) awaited(stream Stream) (fd unix.PollFd, ok bool) {
	switch {
	case len(p.relays[stream].rest) > 0:
		return unix.PollFd{Fd: int32(p.relays[stream].to), Events: unix.POLLOUT}, true
	case p.ends[stream] == noPipe:
		return fd, false
	case stream == StreamInput:
		return unix.PollFd{Fd: int32(p.ends[stream]), Events: unix.POLLOUT}, true
	}
	return unix.PollFd{Fd: int32(p.ends[stream]), Events: unix.POLLIN}, true
}

// relayAll goes on with the relays that wait.
func (p *pipes) relayAll() {
	for _, stream := range []Stream{StreamOutput, StreamError} {
		if len(p.relays[stream].rest) > 0 {
			p.relay(stream, 0)
		}
	}
}

// feed writes what the input's pipe takes, and closes it after the last byte or when nobody reads.
func (p *pipes) feed() {
	for len(p.input.Bytes()) > 0 {
		n, err := writeWithoutSignal(p.ends[StreamInput], p.input.Bytes())
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			break
		}
		p.input.Take(n)
	}
	p.input.Free()
	p.closeEnd(StreamInput)
}

func (p *pipes) closeEnd(stream Stream) {
	if p.ends[stream] != noPipe {
		_ = unix.Close(p.ends[stream])
		p.ends[stream] = noPipe
	}
	if len(p.relays[stream].rest) == 0 {
		p.closeRelay(stream)
	}
}

func (p *pipes) closePipes() {
	if p.input != nil {
		p.input.Free()
	}
	for stream := range p.ends {
		p.closeEnd(Stream(stream))
		p.closeRelay(Stream(stream))
	}
}

// drain reads what the command has left in its pipes, and closes them.
func (p *pipes) drain(output func(Stream, []byte)) {
	for _, stream := range []Stream{StreamOutput, StreamError} {
		for p.ends[stream] != noPipe {
			data, open := p.take(stream)
			if len(data) > 0 {
				output(stream, data)
			}
			if !open || len(data) == 0 {
				p.closeEnd(stream)
			}
		}
	}
	p.finishRelays()
	p.closePipes()
}
