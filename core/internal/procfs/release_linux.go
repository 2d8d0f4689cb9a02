package procfs

import (
	"bytes"
	"strings"
)

// ReleaseName reads PRETTY_NAME of an os-release(5) file.
func ReleaseName(file string) (string, error) {
	var path [pathSize]byte
	var b [4096]byte
	if copy(path[:pathSize-1], file) < len(file) {
		return "", ErrFormat
	}
	n, err := readFile(&path, b[:])
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(b[:n]) {
		if value, ok := bytes.CutPrefix(line, []byte("PRETTY_NAME=")); ok {
			return strings.Trim(strings.TrimSpace(string(value)), `"'`), nil
		}
	}
	return "", ErrFormat
}
