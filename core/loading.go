package core

import (
	"os"
	"strings"
)

// What the C interface tells the adapter as the library is loaded into a host's process.

// RestoreFileLimit undoes what Go's package syscall does to the limit of open files as a program starts: it raises the soft
// limit to the hard one, in the host's process. before gives the limit that the host had. Children started later get
// the host's limit too, since package syscall then forgets its own.
func RestoreFileLimit(before func() (soft, hard uint64)) { restoreFileLimit(before) }

// CountReserve tells how much of the process's address space and data the library itself has taken, in bytes. A limit that
// the process sets on itself is the host's: the reserve is added to it, so that the host has what it asked for.
func CountReserve(taken func() (addressSpace, data uint64)) { reserve = taken }

var reserve = func() (addressSpace, data uint64) { return 0, 0 }

// KeptForLife is told of a descriptor that this process, and no child that it forks, must hold open.
var KeptForLife = func(descriptor int) {}

// BeforeOwnLimit is called before a limit that the process sets on itself takes effect.
var BeforeOwnLimit = func(Limit) {}

// Spend is told of bytes that are about to become garbage, by what goes on making some that no caller counts.
var Spend = func(bytes int) {}

// HostEnvironment is the environment as the host sees it, and that of jobs that are given none: strings "NAME=value". It is kept
// when nobody changes the slice, and the next asker gets the same one as long as the environment is the same.
var HostEnvironment = func() (variables []string, kept bool) { return os.Environ(), false }

// variableIn is the value of a variable of an environment, strings "NAME=value".
func variableIn(environment []string, name string) (value string, found bool) {
	name += "="
	for _, variable := range environment {
		if value, found = strings.CutPrefix(variable, name); found {
			return value, true
		}
	}
	return "", false
}
