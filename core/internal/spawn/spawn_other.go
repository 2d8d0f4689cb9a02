//go:build !linux || !(amd64 || arm64)

package spawn

import "errors"

// Start needs clone and is there on Linux for amd64 and arm64.
func Start(*Spec) (Process, error) { return Process{}, errors.ErrUnsupported }
