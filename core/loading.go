package core

// RestoreFileLimit undoes what Go's package syscall does to the limit of open files as a program starts: it raises the soft
// limit to the hard one, in the host's process. before gives the limit that the host had. Children started later get
// the host's limit too, since package syscall then forgets its own.
func RestoreFileLimit(before func() (soft, hard uint64)) { restoreFileLimit(before) }
