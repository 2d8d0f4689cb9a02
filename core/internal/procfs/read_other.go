//go:build !linux

package procfs

import (
	"bytes"
	"os"
)

// readFile reads a recorded file where there is no /proc.
func readFile(path *[pathSize]byte, b []byte) (int, error) {
	content, err := os.ReadFile(name(path))
	return copy(b, content), err
}

func eachEntry(path *[pathSize]byte, visit func(name []byte) bool) error {
	entries, err := os.ReadDir(name(path))
	for _, entry := range entries {
		if !visit([]byte(entry.Name())) {
			break
		}
	}
	return err
}

func name(path *[pathSize]byte) string { return string(path[:bytes.IndexByte(path[:], 0)]) }
