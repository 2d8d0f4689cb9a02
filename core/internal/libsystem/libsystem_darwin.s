#include "textflag.h"

// One function each that goes on to libSystem's, and a variable that holds its address.

TEXT libc_proc_pidinfo_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_proc_pidinfo(SB)
GLOBL	·addr_proc_pidinfo(SB), RODATA, $8
DATA	·addr_proc_pidinfo(SB)/8, $libc_proc_pidinfo_trampoline<>(SB)

TEXT libc_proc_pid_rusage_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_proc_pid_rusage(SB)
GLOBL	·addr_proc_pid_rusage(SB), RODATA, $8
DATA	·addr_proc_pid_rusage(SB)/8, $libc_proc_pid_rusage_trampoline<>(SB)

TEXT libc_proc_listpids_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_proc_listpids(SB)
GLOBL	·addr_proc_listpids(SB), RODATA, $8
DATA	·addr_proc_listpids(SB)/8, $libc_proc_listpids_trampoline<>(SB)

TEXT libc_host_statistics64_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_host_statistics64(SB)
GLOBL	·addr_host_statistics64(SB), RODATA, $8
DATA	·addr_host_statistics64(SB)/8, $libc_host_statistics64_trampoline<>(SB)

TEXT libc_mach_host_self_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_mach_host_self(SB)
GLOBL	·addr_mach_host_self(SB), RODATA, $8
DATA	·addr_mach_host_self(SB)/8, $libc_mach_host_self_trampoline<>(SB)

TEXT libc_sigaction_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_sigaction(SB)
GLOBL	·addr_sigaction(SB), RODATA, $8
DATA	·addr_sigaction(SB)/8, $libc_sigaction_trampoline<>(SB)

TEXT libc_pthread_sigmask_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_pthread_sigmask(SB)
GLOBL	·addr_pthread_sigmask(SB), RODATA, $8
DATA	·addr_pthread_sigmask(SB)/8, $libc_pthread_sigmask_trampoline<>(SB)

TEXT libc_setrlimit_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_setrlimit(SB)
GLOBL	·addr_setrlimit(SB), RODATA, $8
DATA	·addr_setrlimit(SB)/8, $libc_setrlimit_trampoline<>(SB)

TEXT libc_setpriority_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_setpriority(SB)
GLOBL	·addr_setpriority(SB), RODATA, $8
DATA	·addr_setpriority(SB)/8, $libc_setpriority_trampoline<>(SB)

TEXT libc_umask_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_umask(SB)
GLOBL	·addr_umask(SB), RODATA, $8
DATA	·addr_umask(SB)/8, $libc_umask_trampoline<>(SB)

TEXT libc_fork_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_fork(SB)
GLOBL	·addr_fork(SB), RODATA, $8
DATA	·addr_fork(SB)/8, $libc_fork_trampoline<>(SB)

TEXT libc_setsid_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_setsid(SB)
GLOBL	·addr_setsid(SB), RODATA, $8
DATA	·addr_setsid(SB)/8, $libc_setsid_trampoline<>(SB)

TEXT libc_setpgid_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_setpgid(SB)
GLOBL	·addr_setpgid(SB), RODATA, $8
DATA	·addr_setpgid(SB)/8, $libc_setpgid_trampoline<>(SB)

TEXT libc_setgroups_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_setgroups(SB)
GLOBL	·addr_setgroups(SB), RODATA, $8
DATA	·addr_setgroups(SB)/8, $libc_setgroups_trampoline<>(SB)

TEXT libc_setgid_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_setgid(SB)
GLOBL	·addr_setgid(SB), RODATA, $8
DATA	·addr_setgid(SB)/8, $libc_setgid_trampoline<>(SB)

TEXT libc_setuid_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_setuid(SB)
GLOBL	·addr_setuid(SB), RODATA, $8
DATA	·addr_setuid(SB)/8, $libc_setuid_trampoline<>(SB)

TEXT libc_write_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_write(SB)
GLOBL	·addr_write(SB), RODATA, $8
DATA	·addr_write(SB)/8, $libc_write_trampoline<>(SB)

TEXT libc__exit_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc__exit(SB)
GLOBL	·addr__exit(SB), RODATA, $8
DATA	·addr__exit(SB)/8, $libc__exit_trampoline<>(SB)

TEXT libc_posix_spawn_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawn(SB)
GLOBL	·addr_posix_spawn(SB), RODATA, $8
DATA	·addr_posix_spawn(SB)/8, $libc_posix_spawn_trampoline<>(SB)

TEXT libc_posix_spawnattr_init_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawnattr_init(SB)
GLOBL	·addr_posix_spawnattr_init(SB), RODATA, $8
DATA	·addr_posix_spawnattr_init(SB)/8, $libc_posix_spawnattr_init_trampoline<>(SB)

TEXT libc_posix_spawnattr_destroy_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawnattr_destroy(SB)
GLOBL	·addr_posix_spawnattr_destroy(SB), RODATA, $8
DATA	·addr_posix_spawnattr_destroy(SB)/8, $libc_posix_spawnattr_destroy_trampoline<>(SB)

TEXT libc_posix_spawnattr_setflags_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawnattr_setflags(SB)
GLOBL	·addr_posix_spawnattr_setflags(SB), RODATA, $8
DATA	·addr_posix_spawnattr_setflags(SB)/8, $libc_posix_spawnattr_setflags_trampoline<>(SB)

TEXT libc_posix_spawnattr_setsigdefault_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawnattr_setsigdefault(SB)
GLOBL	·addr_posix_spawnattr_setsigdefault(SB), RODATA, $8
DATA	·addr_posix_spawnattr_setsigdefault(SB)/8, $libc_posix_spawnattr_setsigdefault_trampoline<>(SB)

TEXT libc_posix_spawnattr_setsigmask_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawnattr_setsigmask(SB)
GLOBL	·addr_posix_spawnattr_setsigmask(SB), RODATA, $8
DATA	·addr_posix_spawnattr_setsigmask(SB)/8, $libc_posix_spawnattr_setsigmask_trampoline<>(SB)

TEXT libc_posix_spawnattr_setpgroup_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawnattr_setpgroup(SB)
GLOBL	·addr_posix_spawnattr_setpgroup(SB), RODATA, $8
DATA	·addr_posix_spawnattr_setpgroup(SB)/8, $libc_posix_spawnattr_setpgroup_trampoline<>(SB)

TEXT libc_posix_spawn_file_actions_init_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawn_file_actions_init(SB)
GLOBL	·addr_posix_spawn_file_actions_init(SB), RODATA, $8
DATA	·addr_posix_spawn_file_actions_init(SB)/8, $libc_posix_spawn_file_actions_init_trampoline<>(SB)

TEXT libc_posix_spawn_file_actions_destroy_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawn_file_actions_destroy(SB)
GLOBL	·addr_posix_spawn_file_actions_destroy(SB), RODATA, $8
DATA	·addr_posix_spawn_file_actions_destroy(SB)/8, $libc_posix_spawn_file_actions_destroy_trampoline<>(SB)

TEXT libc_posix_spawn_file_actions_adddup2_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawn_file_actions_adddup2(SB)
GLOBL	·addr_posix_spawn_file_actions_adddup2(SB), RODATA, $8
DATA	·addr_posix_spawn_file_actions_adddup2(SB)/8, $libc_posix_spawn_file_actions_adddup2_trampoline<>(SB)

TEXT libc_posix_spawn_file_actions_addinherit_np_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawn_file_actions_addinherit_np(SB)
GLOBL	·addr_posix_spawn_file_actions_addinherit_np(SB), RODATA, $8
DATA	·addr_posix_spawn_file_actions_addinherit_np(SB)/8, $libc_posix_spawn_file_actions_addinherit_np_trampoline<>(SB)

TEXT libc_posix_spawn_file_actions_addchdir_np_trampoline<>(SB),NOSPLIT,$0-0
	JMP	libc_posix_spawn_file_actions_addchdir_np(SB)
GLOBL	·addr_posix_spawn_file_actions_addchdir_np(SB), RODATA, $8
DATA	·addr_posix_spawn_file_actions_addchdir_np(SB)/8, $libc_posix_spawn_file_actions_addchdir_np_trampoline<>(SB)
