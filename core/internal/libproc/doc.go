// Package libproc understands what the macOS kernel tells of processes (proc_pidinfo, proc_pid_rusage, proc_listpids and the
// sysctl kern.proc) and of its memory (host_statistics64), and follows a tree of processes by it.
//
// The answers are decoded from bytes, so that this is tested on every machine: testdata/ holds an answer of each kind, laid
// out by the SDK's own headers. A kernel only ever appends to these structures.
package libproc
