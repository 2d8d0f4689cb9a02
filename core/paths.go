package core

import (
	"os/user"
	"runtime"
	"strings"
	"unicode/utf8"
)

// PathFlavour is a set of rules for paths.
//
//mimir:enum mimir_path_flavour MIMIR_PATH_ strip=Path
type PathFlavour int32

const (
	// PathNative are the rules of the platform that the program runs on.
	PathNative PathFlavour = 0
	// PathPosix are the rules of POSIX.
	PathPosix PathFlavour = 1
	// PathWindows are the rules of Windows.
	PathWindows PathFlavour = 2
)

// Directory is one of the user's directories.
//
//mimir:enum mimir_directory MIMIR_DIRECTORY_ strip=Directory
type Directory int32

const (
	// DirectoryHome is the user's home.
	DirectoryHome Directory = 1
	// DirectoryTemp is where temporary files go.
	DirectoryTemp Directory = 2
	// DirectoryConfig is where an application keeps its settings.
	DirectoryConfig Directory = 3
)

// PathRules are the rules of a flavour. They look at no file, work on any bytes and are the same on every machine.
type PathRules interface {
	// Normalize takes out redundant separators, "." and "..". The empty path is ".".
	Normalize(path string) string
	// Join joins parts; one that is absolute starts anew.
	Join(parts ...string) string
	// Executable is the file name of a program.
	Executable(base string) string
	// Separator separates the parts of a path.
	Separator() string
}

// Paths gives the rules of a flavour.
func Paths(flavour PathFlavour) (PathRules, error) {
	if flavour == PathNative {
		flavour = nativeFlavour()
	}
	switch flavour {
	case PathPosix:
		return posixRules{}, nil
	case PathWindows:
		return windowsRules{}, nil
	}
	return nil, Errorf(StatusEINVAL, "check flavour", "%d is not a flavour of paths", int32(flavour))
}

func nativeFlavour() PathFlavour {
	if runtime.GOOS == "windows" {
		return PathWindows
	}
	return PathPosix
}

type posixRules struct{}

func (posixRules) Separator() string             { return "/" }
func (posixRules) Executable(base string) string { return base }

func (posixRules) Normalize(path string) string {
	root := path[:len(path)-len(strings.TrimLeft(path, "/"))]
	if len(root) > 2 { // POSIX gives exactly two a meaning of their own
		root = "/"
	}
	if clean := root + strings.Join(cleanParts(path, "/", root != ""), "/"); clean != "" {
		return clean
	}
	return "."
}

func (posixRules) Join(parts ...string) string {
	joined := parts[0]
	for _, part := range parts[1:] {
		switch {
		case strings.HasPrefix(part, "/"):
			joined = part
		case joined == "" || strings.HasSuffix(joined, "/"):
			joined += part
		default:
			joined += "/" + part
		}
	}
	return joined
}

// cleanParts splits a path and resolves "." and "..". A ".." at the root stays there.
func cleanParts(path, separator string, rooted bool) []string {
	var clean []string
	for part := range strings.SplitSeq(path, separator) {
		switch {
		case part == "" || part == ".":
		case part != "..":
			clean = append(clean, part)
		case len(clean) > 0 && clean[len(clean)-1] != "..":
			clean = clean[:len(clean)-1]
		case !rooted:
			clean = append(clean, part)
		}
	}
	return clean
}

type windowsRules struct{}

func (windowsRules) Separator() string             { return `\` }
func (windowsRules) Executable(base string) string { return base + ".exe" }

func isWindowsSeparator(c byte) bool { return c == '\\' || c == '/' }

func endsInWindowsSeparator(s string) bool { return s != "" && isWindowsSeparator(s[len(s)-1]) }

// splitWindowsRoot takes a path apart: `C:`, `\\server\share`, `\\?\UNC\server\share` or `\\.\device`; the separator that
// makes it absolute; the rest.
func splitWindowsRoot(path string) (drive, root, rest string) {
	plain := strings.ReplaceAll(path, "/", `\`)
	const unc = `\\?\UNC\`
	switch {
	case strings.HasPrefix(plain, `\\`):
		start := 2
		if len(plain) >= len(unc) && strings.EqualFold(plain[:len(unc)], unc) {
			start = len(unc)
		}
		server := strings.IndexByte(plain[start:], '\\')
		if server < 0 {
			return path, "", ""
		}
		server += start + 1
		share := strings.IndexByte(plain[server:], '\\')
		if share < 0 {
			return path, "", ""
		}
		share += server
		return path[:share], path[share : share+1], path[share+1:]
	case strings.HasPrefix(plain, `\`):
		return "", path[:1], path[1:]
	}
	// Windows takes any one unit of UTF-16 before the colon for a drive's letter, and so no character that takes two.
	first, letter := utf8.DecodeRuneInString(plain)
	if len(plain) > letter && letter > 0 && first <= 0xFFFF && plain[letter] == ':' {
		drive, rest = path[:letter+1], path[letter+1:]
		if rest != "" && isWindowsSeparator(rest[0]) {
			return drive, rest[:1], rest[1:]
		}
		return drive, "", rest
	}
	return "", "", path
}

func (windowsRules) Normalize(path string) string {
	drive, root, rest := splitWindowsRoot(strings.ReplaceAll(path, "/", `\`))
	if clean := drive + root + strings.Join(cleanParts(rest, `\`, root != ""), `\`); clean != "" {
		return clean
	}
	return "."
}

func (windowsRules) Join(parts ...string) string {
	drive, root, rest := splitWindowsRoot(parts[0])
	for _, part := range parts[1:] {
		d, r, p := splitWindowsRoot(part)
		switch {
		case r != "":
			if d != "" || drive == "" {
				drive = d
			}
			root, rest = r, p
			continue
		case d != "" && !strings.EqualFold(d, drive):
			drive, root, rest = d, r, p
			continue
		case d != "": // the same drive, perhaps in another case
			drive = d
		}
		if rest != "" && !endsInWindowsSeparator(rest) {
			rest += `\`
		}
		rest += p
	}
	// A share and a relative path need a separator between them; a drive letter does not.
	if rest != "" && root == "" && drive != "" && !strings.HasSuffix(drive, ":") && !endsInWindowsSeparator(drive) {
		return drive + `\` + rest
	}
	return drive + root + rest
}

// UserDirectory is one of the user's directories on this platform. getenv reads the environment, and answers "" for a
// variable that is not set.
func UserDirectory(directory Directory, application string, getenv func(string) string) (string, error) {
	home := func() (string, error) { return homeDirectory(getenv) }
	return userDirectory(runtime.GOOS, directory, application, getenv, home)
}

// userDirectory is UserDirectory by the custom of any platform.
func userDirectory(goos string, directory Directory, application string, getenv func(string) string,
	homeOf func() (string, error)) (string, error) {
	rules := PathRules(posixRules{})
	if goos == "windows" {
		rules = windowsRules{}
	}
	switch directory {
	case DirectoryHome:
		return homeOf()
	case DirectoryTemp:
		for _, name := range tempVariables[goos == "windows"] {
			if path := getenv(name); path != "" {
				return path, nil
			}
		}
		if goos == "windows" {
			home, err := homeOf()
			return rules.Join(home, "AppData", "Local", "Temp"), err
		}
		return "/tmp", nil
	case DirectoryConfig:
		if application == "" || strings.ContainsAny(application, `/\`) || application == "." || application == ".." {
			return "", Errorf(StatusEINVAL, "check application", "%q is not the name of a folder", application)
		}
		if goos == "windows" {
			if roaming := getenv("APPDATA"); roaming != "" {
				return rules.Join(roaming, application), nil
			}
		} else if config := getenv("XDG_CONFIG_HOME"); strings.HasPrefix(config, "/") {
			return rules.Join(config, application), nil
		}
		home, err := homeOf()
		if err != nil {
			return "", err
		}
		switch goos {
		case "windows":
			return rules.Join(home, "AppData", "Roaming", application), nil
		case "darwin":
			return rules.Join(home, "Library", "Application Support", application), nil
		}
		return rules.Join(home, "."+application), nil
	}
	return "", Errorf(StatusEINVAL, "check directory", "%d is not a directory of the user", int32(directory))
}

var tempVariables = map[bool][]string{false: {"TMPDIR"}, true: {"TEMP", "TMP"}}

// homeDirectory is HOME, or USERPROFILE on Windows, else what the user database says.
func homeDirectory(getenv func(string) string) (string, error) {
	name := "HOME"
	if runtime.GOOS == "windows" {
		name = "USERPROFILE"
	}
	if home := getenv(name); home != "" {
		return home, nil
	}
	u, err := user.Current()
	if err != nil || u.HomeDir == "" {
		return "", Errorf(StatusENOENT, "find home", "%s is not set and the user database names no home", name)
	}
	return u.HomeDir, nil
}
