package core

// Option is a setting of a job beside its limits and streams.
//
//mimir:enum mimir_option MIMIR_OPTION_ strip=Option
type Option int32

const (
	// OptionUmask is the command's file mode creation mask, 0 to 0777.
	OptionUmask Option = 1
	// OptionNewSession, when 1, makes the command lead a session of its own, without a terminal.
	OptionNewSession Option = 2
	// OptionNoNewPrivileges, when 1, makes the set-user-id bit give the command and its descendants no privilege
	// (PR_SET_NO_NEW_PRIVS). Linux.
	OptionNoNewPrivileges Option = 3
	// OptionNoNetwork, when 1, gives the command a network of its own with nothing in it. Linux, where the kernel lets
	// the user make network namespaces.
	OptionNoNetwork Option = 4
	// OptionGrace is a time in nanoseconds: a job that is ended for its CPU time or wall time, or killed, gets SIGTERM first,
	// and SIGKILL that much later. Windows: CTRL_BREAK, and the end.
	OptionGrace Option = 5
	// OptionKeepDescriptor is a descriptor above 2 (Windows: a HANDLE) that the command gets under its own number. It can be
	// given repeatedly.
	OptionKeepDescriptor Option = 6
	// OptionNoDesktop, when 1, keeps the job's processes from the user's desktop: the clipboard, windows of other processes,
	// global atoms, display and system settings, other desktops, ending the session (JOB_OBJECT_UILIMIT_*). Windows.
	OptionNoDesktop Option = 7
)

// User is whom a command runs as.
type User struct {
	UID, GID uint32
	// Groups are the supplementary groups.
	Groups []uint32
}
