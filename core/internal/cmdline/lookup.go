package cmdline

import "strings"

// defaultExtensions are those of Windows where the environment has no PATHEXT.
const defaultExtensions = ".COM;.EXE;.BAT;.CMD"

// Candidates lists the files that a program's name can stand for, in the order in which they are tried: with PATH unless the
// name holds a separator or a drive, with the extensions of PATHEXT unless it has one of them already. Paths without a root are
// taken from directory, "" for the caller's.
func Candidates(program, directory string, environment []string) []string {
	endings := extensions(program, variable(environment, "PATHEXT", defaultExtensions))
	if strings.ContainsAny(program, `\/:`) {
		return withEach(rooted(program, directory), endings)
	}
	var files []string
	for folder := range strings.SplitSeq(variable(environment, "PATH", ""), ";") {
		folder = strings.ReplaceAll(folder, `"`, "") // marks protect a semicolon in some programs' view, and are no part of it
		if folder != "" {
			files = append(files, withEach(join(rooted(folder, directory), program), endings)...)
		}
	}
	return files
}

// extensions are what is put behind a name: nothing first where it has an extension.
func extensions(program, list string) []string {
	base := program[strings.LastIndexAny(program, `\/:`)+1:]
	var endings []string
	if strings.Contains(strings.TrimLeft(base, "."), ".") {
		endings = append(endings, "")
	}
	for ending := range strings.SplitSeq(list, ";") {
		if strings.HasPrefix(ending, ".") {
			endings = append(endings, ending)
		}
	}
	return endings
}

func withEach(file string, endings []string) []string {
	files := make([]string, 0, len(endings))
	for _, ending := range endings {
		files = append(files, file+ending)
	}
	return files
}

func rooted(path, directory string) string {
	isRooted := strings.HasPrefix(path, `\`) || strings.HasPrefix(path, "/") || len(path) > 1 && path[1] == ':'
	if directory == "" || isRooted {
		return path
	}
	return join(directory, path)
}

func join(directory, name string) string {
	if strings.HasSuffix(directory, `\`) || strings.HasSuffix(directory, "/") || strings.HasSuffix(directory, ":") {
		return directory + name
	}
	return directory + `\` + name
}

// variable reads a variable of an environment, whose names are the same in capitals and small letters.
func variable(environment []string, name, otherwise string) string {
	for _, entry := range environment {
		if len(entry) > len(name) && entry[len(name)] == '=' && strings.EqualFold(entry[:len(name)], name) {
			return entry[len(name)+1:]
		}
	}
	return otherwise
}

// IsBatch reports whether a file is run by cmd.exe.
func IsBatch(file string) bool {
	file = strings.TrimRight(file, " .") // which Windows does not see at the end of a name
	if len(file) < 4 {
		return false
	}
	ending := file[len(file)-4:]
	return strings.EqualFold(ending, ".bat") || strings.EqualFold(ending, ".cmd")
}
