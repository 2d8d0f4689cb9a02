// Package win32 has the calls of Windows that golang.org/x/sys/windows lacks, and the error that all of them make.
package win32
