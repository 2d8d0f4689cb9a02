package procfs

import "bytes"

// number reads a decimal number at the start of b, after blanks, and returns what follows it.
func number(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		n = n*10 + uint64(b[i]-'0')
		i++
	}
	return n, b[i:], i > start
}

// ParseStatm reads the text of a statm file: seven numbers, the fifth and the last always 0 since Linux 2.6.
func ParseStatm(b []byte) (s Statm, ok bool) {
	var fields [8]uint64
	field, digits := 0, false
	for _, c := range b {
		switch {
		case c-'0' <= 9:
			fields[field&7] = fields[field&7]*10 + uint64(c-'0')
			digits = true
		case (c == ' ' || c == '\n') && digits && field < 7:
			field, digits = field+1, false
		default:
			return Statm{}, false
		}
	}
	if field != 7 || digits || fields[4]|fields[6] != 0 || b[len(b)-1] != '\n' {
		return Statm{}, false
	}
	return Statm{Size: fields[0], Resident: fields[1], Shared: fields[2]}, true
}

// ParseStat reads the text of a stat file. The command's name, in parentheses, can hold anything: the fields start after
// the last ")".
func ParseStat(b []byte) (s Stat, ok bool) {
	pid, _, ok := number(b)
	end := bytes.LastIndexByte(b, ')')
	if !ok || end < 0 || len(b) < end+4 {
		return Stat{}, false
	}
	s.PID, s.State = int(pid), b[end+2]
	b = b[end+3:]
	var f [25]uint64 // by the field numbers of proc_pid_stat(5), from 4
	for i := 4; i <= 24; i++ {
		for len(b) > 1 && b[0] == ' ' && b[1] == '-' { // tpgid, priority, nice can be negative; none of them is used
			b = b[2:]
		}
		if f[i], b, ok = number(b); !ok {
			return Stat{}, false
		}
	}
	s.Parent, s.Group, s.Session = int(f[4]), int(f[5]), int(f[6])
	s.UserTicks, s.SystemTicks = f[14], f[15]
	s.ChildUserTicks, s.ChildSystemTicks = f[16], f[17]
	s.Threads, s.StartTicks = int(f[20]), f[22]
	s.VirtualBytes, s.ResidentPages = f[23], f[24]
	return s, true
}

// kibibytes finds "key: N kB" in a status or meminfo text, in bytes.
func kibibytes(b []byte, key string) (bytesValue uint64, ok bool) {
	n, ok := field(b, key)
	return n << 10, ok
}

// field finds "key: N" in a status text.
func field(b []byte, key string) (value uint64, ok bool) {
	for len(b) > 0 {
		line := b
		if end := bytes.IndexByte(b, '\n'); end >= 0 {
			line, b = b[:end], b[end+1:]
		} else {
			b = nil
		}
		if len(line) > len(key) && line[len(key)] == ':' && string(line[:len(key)]) == key {
			n, _, ok := number(line[len(key)+1:])
			return n, ok
		}
	}
	return 0, false
}

func parseSystem(b []byte) (s System, err error) {
	for line := range bytes.Lines(b) {
		name, rest, _ := bytes.Cut(line, []byte(" "))
		switch {
		case string(name) == "cpu":
			var f [7]uint64 // user nice system idle iowait irq softirq; guests are counted in the first two
			for i := range f {
				f[i], rest, _ = number(rest)
			}
			s.User, s.Kernel, s.IdleTime = f[0]+f[1], f[2]+f[5]+f[6], f[3]+f[4]
		case len(name) > 3 && string(name[:3]) == "cpu" && name[3] >= '0' && name[3] <= '9':
			s.CPUs++
		case string(name) == "btime":
			s.BootSeconds, _, _ = number(rest)
		case string(name) == "procs_running":
			n, _, _ := number(rest)
			s.Running = uint32(n)
		}
	}
	if s.BootSeconds == 0 {
		return System{}, ErrFormat
	}
	return s, nil
}

// parseRealtimeLimit finds the row "Max realtime timeout" of a limits text: soft, hard, unit.
func parseRealtimeLimit(b []byte) (soft, hard uint64, err error) {
	const row = "Max realtime timeout"
	at := bytes.Index(b, []byte(row))
	if at < 0 {
		return 0, 0, ErrFormat
	}
	soft, rest, ok := limitNumber(b[at+len(row):])
	if ok {
		hard, _, ok = limitNumber(rest)
	}
	if !ok {
		return 0, 0, ErrFormat
	}
	return soft, hard, nil
}

func limitNumber(b []byte) (n uint64, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " ")
	if rest, ok := bytes.CutPrefix(b, []byte("unlimited")); ok {
		return ^uint64(0), rest, true
	}
	return number(b)
}
