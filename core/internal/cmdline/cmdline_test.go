package cmdline

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// awkward are the parts that random arguments are made of.
var awkward = []string{`"`, `\`, `\\`, " ", "\t", "\n", "\v", "a", "é", "😀", "%", "^", "&", "|", "'", "$", "=", "/", "-", ""}

// randomArgs makes a program and arguments out of awkward parts.
func randomArgs(r *rand.Rand) []string {
	args := []string{`C:\Program Files\x.exe`}
	for range r.IntN(6) {
		var b strings.Builder
		for range r.IntN(9) {
			b.WriteString(awkward[r.IntN(len(awkward))])
		}
		args = append(args, b.String())
	}
	return args
}

func TestArgumentsComeOutOfACommandLineAsTheyWentIn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		args := randomArgs(r)
		line, err := Join(args)
		require.NoError(t, err)
		require.Equal(t, args, Split(line), line)
	}
}

func TestCommandLinesAreReadByTheRulesOfWindows(t *testing.T) {
	for line, want := range map[string][]string{
		`x`:                        {"x"},
		``:                         {""},
		`x `:                       {"x"},
		`"x y" z`:                  {"x y", "z"},
		`x "abc" d e`:              {"x", "abc", "d", "e"},
		`x a\\b d"e f"g h`:         {"x", `a\\b`, "de fg", "h"},
		`x a\\\"b c d`:             {"x", `a\"b`, "c", "d"},
		`x a\\\\"b c" d e`:         {"x", `a\\b c`, "d", "e"},
		`x "a\"b"`:                 {"x", `a"b`},
		`x "" ""`:                  {"x", "", ""},
		`C:\a\"b`:                  {`C:\a\"b`},
		`x "a b\\"`:                {"x", `a b\`},
		"x\ta\t b":                 {"x", "a", "b"},
		`x a"b`:                    {"x", "ab"},
		`x "a""b c"`:               {"x", `a"b`, "c"},
		`x """a b"""`:              {"x", `"a`, `b"`},
		`"C:\with a space\" "n" \`: {`C:\with a space\`, "n", `\`},
	} {
		assert.Equal(t, want, Split(line), line)
	}
}

func TestSimpleArgumentsAreWrittenAsTheyAre(t *testing.T) {
	line, err := Join([]string{`C:\x.exe`, "-a", `b\c\`, "", "d e", `f"g`, `h i\`})
	require.NoError(t, err)
	assert.Equal(t, `C:\x.exe -a b\c\ "" "d e" "f\"g" "h i\\"`, line)
}

func TestAProgramWithAQuotationMarkIsRefused(t *testing.T) {
	_, err := Join([]string{`a"b`})
	assert.ErrorIs(t, err, ErrProgram)
	_, err = Batch(`a"b.bat`, nil)
	assert.ErrorIs(t, err, ErrProgram)
	_, err = Join(nil)
	assert.Error(t, err)
}

func TestArgumentsOfABatchFileCannotBecomeCommands(t *testing.T) {
	line, err := Batch(`C:\a b.bat`, []string{"plain", "two words", `"&calc&"`, "%PATH%", `tail\`, ""})
	require.NoError(t, err)
	assert.Equal(t, `cmd.exe /e:ON /v:OFF /d /c ""C:\a b.bat" plain "two words" """&calc&""" `+
		`"%%cd:~,%PATH%%cd:~,%" "tail\\" """`, line)
	for _, bad := range []string{"a\nb", "a\rb"} {
		_, err := Batch(`a.bat`, []string{bad})
		assert.ErrorIs(t, err, ErrBatch)
	}
}

func TestEveryAmpersandOfABatchArgumentStandsBetweenMarks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		args := randomArgs(r)[1:]
		line, err := Batch(`x.bat`, args)
		if err != nil {
			require.Contains(t, strings.Join(args, ""), "\n")
			continue
		}
		inside := strings.TrimSuffix(strings.TrimPrefix(line, `cmd.exe /e:ON /v:OFF /d /c "`), `"`)
		quoted := false // as cmd.exe sees it: every mark opens or closes
		for i := range len(inside) {
			switch inside[i] {
			case '"':
				quoted = !quoted
			case '&', '|', '^', '<', '>':
				require.True(t, quoted, line)
			}
		}
		require.False(t, quoted, line)
	}
}

func TestAProgramIsLookedUpByPathAndExtension(t *testing.T) {
	environment := []string{`=C:=C:\x`, `path=C:\one;;"C:\t w o";three\`, `PathExt=.EXE;.PY`}
	for name, test := range map[string]struct {
		program, directory string
		want               []string
	}{
		"a bare name": {"tool", "", []string{`C:\one\tool.EXE`, `C:\one\tool.PY`, `C:\t w o\tool.EXE`, `C:\t w o\tool.PY`, `three\tool.EXE`, `three\tool.PY`}},
		"a name with an extension": {"tool.exe", `D:\d`, []string{`C:\one\tool.exe`, `C:\one\tool.exe.EXE`, `C:\one\tool.exe.PY`,
			`C:\t w o\tool.exe`, `C:\t w o\tool.exe.EXE`, `C:\t w o\tool.exe.PY`, `D:\d\three\tool.exe`, `D:\d\three\tool.exe.EXE`, `D:\d\three\tool.exe.PY`}},
		"a path":                 {`.\bin\tool`, `D:\d`, []string{`D:\d\.\bin\tool.EXE`, `D:\d\.\bin\tool.PY`}},
		"a path from the root":   {`\\server\share\tool.exe`, `D:\d`, []string{`\\server\share\tool.exe`, `\\server\share\tool.exe.EXE`, `\\server\share\tool.exe.PY`}},
		"a path with its drive":  {`E:tool.x/y`, `D:\d`, []string{`E:tool.x/y.EXE`, `E:tool.x/y.PY`}},
		"a long path of the API": {`\\?\C:\tool.exe`, "", []string{`\\?\C:\tool.exe`, `\\?\C:\tool.exe.EXE`, `\\?\C:\tool.exe.PY`}},
	} {
		assert.Equal(t, test.want, Candidates(test.program, test.directory, environment), name)
	}
	assert.Equal(t, []string{`C:\tool.COM`, `C:\tool.EXE`, `C:\tool.BAT`, `C:\tool.CMD`}, Candidates("tool", "", []string{`PATH=C:\`}))
	assert.Empty(t, Candidates("tool", "", nil))
}

func TestBatchFilesAreKnownByTheirExtension(t *testing.T) {
	for file, batch := range map[string]bool{`C:\a.bat`: true, "a.CMD": true, "a.bat. ": true, "a.exe": false, "bat": false, "": false} {
		assert.Equal(t, batch, IsBatch(file), file)
	}
}
