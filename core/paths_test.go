package core

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The expectations are those of Python's posixpath and ntpath; tests/python compares on generated paths.
func TestPathsAreNormalizedByTheRulesOfTheirFlavour(t *testing.T) {
	for flavour, cases := range map[PathFlavour]map[string]string{
		PathPosix: {
			"": ".", "/": "/", "//": "//", "///": "/", "//a": "//a", "///a/": "/a", "a//b": "a/b", "./a/.": "a", "a/../..": "..",
			"/..": "/", "/../a": "/a", "../../a": "../../a", "a/b/../c": "a/c", `a\b`: `a\b`, "a/./b/../../": ".",
		},
		PathWindows: {
			"": ".", `\`: `\`, "/": `\`, "a/b": `a\b`, `a\..\..`: "..", `C:`: "C:", `C:\`: `C:\`, `C:a\..`: "C:", `C:\..`: `C:\`,
			`c:/x/./y/../z`: `c:\x\z`, `\\server\share\..\x`: `\\server\share\x`, `//server/share/a`: `\\server\share\a`,
			`\\?\C:\a\..\b`: `\\?\C:\b`, `\\?\UNC\s\sh\a\..\b`: `\\?\UNC\s\sh\b`, `\a\..\..\b`: `\b`, `é:\..\a`: `é:\a`,
		},
	} {
		rules, err := Paths(flavour)
		require.NoError(t, err)
		for path, want := range cases {
			assert.Equal(t, want, rules.Normalize(path), "%q", path)
		}
	}
}

func TestPathsAreJoinedByTheRulesOfTheirFlavour(t *testing.T) {
	for _, test := range []struct {
		flavour PathFlavour
		parts   []string
		want    string
	}{
		{PathPosix, []string{"a"}, "a"}, {PathPosix, []string{"a", "b"}, "a/b"}, {PathPosix, []string{"a/", "b"}, "a/b"},
		{PathPosix, []string{"a", "/b"}, "/b"}, {PathPosix, []string{"", "b"}, "b"}, {PathPosix, []string{"a", ""}, "a/"},
		{PathWindows, []string{`C:\a`, "b"}, `C:\a\b`}, {PathWindows, []string{`C:`, "b"}, `C:b`},
		{PathWindows, []string{`C:\a`, `\b`}, `C:\b`}, {PathWindows, []string{`C:\a`, `D:b`}, `D:b`},
		{PathWindows, []string{`C:\a`, `c:b`}, `c:\a\b`}, {PathWindows, []string{`\\s\h`, `b`}, `\\s\h\b`},
		{PathWindows, []string{`a`, ``}, `a\`}, {PathWindows, []string{`a/`, `b`}, `a/b`}, {PathWindows, []string{`a`, `D:\b`, `c`}, `D:\b\c`},
	} {
		rules, err := Paths(test.flavour)
		require.NoError(t, err)
		assert.Equal(t, test.want, rules.Join(test.parts...), "%q", test.parts)
	}
}

func TestTheNativeFlavourIsThePlatforms(t *testing.T) {
	rules, err := Paths(PathNative)
	require.NoError(t, err)
	if runtime.GOOS == "windows" {
		assert.Equal(t, `\`, rules.Separator())
		assert.Equal(t, "git.exe", rules.Executable("git"))
	} else {
		assert.Equal(t, "/", rules.Separator())
		assert.Equal(t, "git", rules.Executable("git"))
	}
	_, err = Paths(3)
	assert.ErrorIs(t, err, StatusEINVAL)
}

func TestUserDirectoriesFollowTheEnvironmentAndTheCustomOfEachPlatform(t *testing.T) {
	home := map[string]string{"linux": "/home/u", "darwin": "/Users/u", "windows": `C:\Users\u`}
	for _, test := range []struct {
		goos      string
		directory Directory
		env       map[string]string
		want      string
	}{
		{"linux", DirectoryHome, nil, "/home/u"},
		{"linux", DirectoryTemp, nil, "/tmp"},
		{"linux", DirectoryTemp, map[string]string{"TMPDIR": "/var/x"}, "/var/x"},
		{"linux", DirectoryConfig, nil, "/home/u/.mimir"},
		{"linux", DirectoryConfig, map[string]string{"XDG_CONFIG_HOME": "/c"}, "/c/mimir"},
		{"linux", DirectoryConfig, map[string]string{"XDG_CONFIG_HOME": "relative"}, "/home/u/.mimir"},
		{"darwin", DirectoryConfig, nil, "/Users/u/Library/Application Support/mimir"},
		{"windows", DirectoryConfig, nil, `C:\Users\u\AppData\Roaming\mimir`},
		{"windows", DirectoryConfig, map[string]string{"APPDATA": `D:\r`}, `D:\r\mimir`},
		{"windows", DirectoryTemp, map[string]string{"TMPDIR": `D:\no`, "TEMP": `D:\t`}, `D:\t`},
		{"windows", DirectoryTemp, nil, `C:\Users\u\AppData\Local\Temp`},
	} {
		got, err := userDirectory(test.goos, test.directory, "mimir", func(name string) string { return test.env[name] },
			func() (string, error) { return home[test.goos], nil })
		require.NoError(t, err)
		assert.Equal(t, test.want, got, "%+v", test)
	}
}

func TestADirectoryThatCannotBeNamedIsRefused(t *testing.T) {
	none := func(string) string { return "" }
	for _, name := range []string{"", ".", "..", "a/b", `a\b`} {
		_, err := UserDirectory(DirectoryConfig, name, none)
		assert.ErrorIs(t, err, StatusEINVAL, "%q", name)
	}
	_, err := UserDirectory(9, "x", none)
	assert.ErrorIs(t, err, StatusEINVAL)
	homeless := Errorf(StatusENOENT, "find home", "none")
	_, err = userDirectory("linux", DirectoryConfig, "x", none, func() (string, error) { return "", homeless })
	assert.True(t, errors.Is(err, StatusENOENT))
}
