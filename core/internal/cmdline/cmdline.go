package cmdline

import (
	"errors"
	"strings"
)

// ErrProgram means that a program's name holds what no file's name can.
var ErrProgram = errors.New(`the name of the program holds a quotation mark`)

// Join writes a command line that Split, CommandLineToArgvW and the C runtime read as args. The first argument is the name of
// the program, for which the rules are simpler: it may not hold a quotation mark.
func Join(args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("the command is empty")
	}
	var b strings.Builder
	program := args[0]
	switch {
	case strings.Contains(program, `"`):
		return "", ErrProgram
	case program == "" || strings.ContainsAny(program, spaces):
		b.WriteString(`"` + program + `"`)
	default:
		b.WriteString(program)
	}
	for _, arg := range args[1:] {
		b.WriteByte(' ')
		quote(&b, arg)
	}
	return b.String(), nil
}

// spaces are what ends an argument. CommandLineToArgvW and the C runtime know the first two; the others make some older
// readers end one, and quoting them costs nothing.
const spaces = " \t\n\v"

// quote writes one argument: backslashes are themselves, unless a quotation mark comes after them.
func quote(b *strings.Builder, arg string) {
	if arg != "" && !strings.ContainsAny(arg, spaces+`"`) {
		b.WriteString(arg)
		return
	}
	b.WriteByte('"')
	backslashes := 0
	for i := range len(arg) {
		switch arg[i] {
		case '\\':
			backslashes++
			continue
		case '"': // each of the backslashes before it is doubled, and it gets one of its own
			backslashes = 2*backslashes + 1
		}
		writeBackslashes(b, backslashes)
		backslashes = 0
		b.WriteByte(arg[i])
	}
	writeBackslashes(b, 2*backslashes) // the closing mark comes after them
	b.WriteByte('"')
}

func writeBackslashes(b *strings.Builder, n int) {
	for range n {
		b.WriteByte('\\')
	}
}

// Split reads a command line as CommandLineToArgvW does.
func Split(line string) []string {
	var args []string
	// The program's name ends at its closing mark, or at the first space: nothing in it is escaped.
	if name, isQuoted := strings.CutPrefix(line, `"`); isQuoted {
		program, rest, _ := strings.Cut(name, `"`)
		args, line = append(args, program), rest
	} else {
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		args, line = append(args, line[:end]), line[end:]
	}
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return args
		}
		var arg string
		arg, line = splitOne(line)
		args = append(args, arg)
	}
}

// splitOne takes the first argument off a line that does not begin with a space. Marks are counted: one opens a quoted part, a
// second closes it, and a third in a row is itself, outside of the part. (The C runtime differs in that alone: there the part
// goes on.)
func splitOne(line string) (arg, rest string) {
	var b strings.Builder
	marks, backslashes := 0, 0
	i := 0
	for ; i < len(line); i++ {
		c := line[i]
		if c == '\\' {
			backslashes++
			continue
		}
		if c != '"' {
			writeBackslashes(&b, backslashes)
			backslashes = 0
			if marks == 0 && (c == ' ' || c == '\t') {
				break
			}
			b.WriteByte(c)
			continue
		}
		writeBackslashes(&b, backslashes/2)
		if backslashes%2 == 1 {
			b.WriteByte('"')
		} else {
			marks++
		}
		backslashes = 0
		for ; i+1 < len(line) && line[i+1] == '"'; i++ {
			if marks++; marks == 3 {
				b.WriteByte('"')
				marks = 0
			}
		}
		if marks == 2 {
			marks = 0
		}
	}
	writeBackslashes(&b, backslashes)
	return b.String(), line[i:]
}

// ErrBatch means that an argument cannot be given to a batch file: cmd.exe ends its line there.
var ErrBatch = errors.New("an argument of a batch file cannot hold a line break")

// Batch writes the command line by which cmd.exe runs a batch file with arguments. cmd.exe looks for variables and operators in
// them, and not by the rules of Join: what it could take for one is put between marks, or made into a variable's empty part.
func Batch(script string, args []string) (string, error) {
	if strings.Contains(script, `"`) || strings.HasSuffix(script, `\`) {
		return "", ErrProgram
	}
	var b strings.Builder
	b.WriteString(`cmd.exe /e:ON /v:OFF /d /c ""` + script + `"`)
	for _, arg := range args {
		if strings.ContainsAny(arg, "\r\n\x00") {
			return "", ErrBatch
		}
		b.WriteByte(' ')
		quoteForBatch(&b, arg)
	}
	b.WriteByte('"')
	return b.String(), nil
}

// plainInBatch is what cmd.exe takes as it is, besides letters and digits.
const plainInBatch = `#$*+-./:?@\_`

func quoteForBatch(b *strings.Builder, arg string) {
	plain := arg != "" && !strings.HasSuffix(arg, `\`)
	for i := range len(arg) {
		c := arg[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		plain = plain && (letter || strings.IndexByte(plainInBatch, c) >= 0)
	}
	if plain {
		b.WriteString(arg)
		return
	}
	b.WriteByte('"')
	backslashes := 0
	for i := range len(arg) {
		switch c := arg[i]; c {
		case '\\':
			backslashes++
		case '"': // the backslashes that are written are doubled, and a second mark stands for the first
			writeBackslashes(b, backslashes)
			backslashes = 0
			b.WriteByte('"')
		case '%': // %cd:~,% is no part of the current directory
			backslashes = 0
			b.WriteString("%%cd:~,")
		default:
			backslashes = 0
		}
		b.WriteByte(arg[i])
	}
	writeBackslashes(b, backslashes)
	b.WriteByte('"')
}
