/* Answers of the macOS kernel, laid out by the SDK's own headers: sdk_test.go compiles this for macOS and compares the bytes
 * with the *.bin files beside it, from which decoding is tested on every machine. Each field has a value of its own, so that
 * a wrong offset is seen. */
#include <libproc.h>
#include <mach/host_info.h>
#include <mach/machine.h>
#include <mach/vm_statistics.h>
#include <stddef.h>
#include <sys/proc.h>
#include <sys/proc_info.h>
#include <sys/resource.h>
#include <sys/sysctl.h>

/* Values that the package has as constants. */
_Static_assert(PROC_PIDLISTFDS == 1 && PROC_PIDTASKALLINFO == 2 && PROC_PIDTASKINFO == 4, "flavors of proc_pidinfo");
_Static_assert(PROC_PGRP_ONLY == 2 && PROC_PPID_ONLY == 6, "kinds of proc_listpids");
_Static_assert(RUSAGE_INFO_V4 == 4, "flavor of proc_pid_rusage");
_Static_assert(SZOMB == 5, "status of a zombie");
_Static_assert(sizeof(struct proc_bsdinfo) == 136 && sizeof(struct proc_taskinfo) == 96, "proc_taskallinfo");
_Static_assert(sizeof(struct proc_taskallinfo) == 232 && offsetof(struct proc_taskallinfo, ptinfo) == 136, "proc_taskallinfo");
_Static_assert(sizeof(struct rusage_info_v4) == 296, "rusage_info_v4");
_Static_assert(sizeof(struct proc_fdinfo) == 8, "proc_fdinfo");
_Static_assert(sizeof(struct kinfo_proc) == 648, "kinfo_proc");

_Static_assert(HOST_CPU_LOAD_INFO == 3 && HOST_VM_INFO64 == 4, "flavors of host_statistics64");
_Static_assert(sizeof(struct host_cpu_load_info) == 16 && sizeof(struct xsw_usage) == 32, "host_cpu_load_info, xsw_usage");

#define EXPORT __attribute__((used, visibility("default")))

EXPORT const struct proc_taskallinfo taskallinfo = {
    .pbsd = {.pbi_flags = 1, .pbi_status = 2 /* SRUN */, .pbi_xstatus = 3, .pbi_pid = 4242, .pbi_ppid = 4141, .pbi_uid = 501,
             .pbi_gid = 20, .pbi_ruid = 502, .pbi_rgid = 21, .pbi_svuid = 503, .pbi_svgid = 22, .pbi_comm = "python3",
             .pbi_name = "python3.12", .pbi_nfiles = 17, .pbi_pgid = 4040, .pbi_pjobc = 5, .e_tdev = 6, .e_tpgid = 7,
             .pbi_nice = -3, .pbi_start_tvsec = 1700000000, .pbi_start_tvusec = 654321},
    .ptinfo = {.pti_virtual_size = 418000000000, .pti_resident_size = 73400320, .pti_total_user = 36000000,
               .pti_total_system = 12000000, .pti_threads_user = 1, .pti_threads_system = 2, .pti_policy = 3, .pti_faults = 4,
               .pti_pageins = 5, .pti_cow_faults = 6, .pti_messages_sent = 7, .pti_messages_received = 8,
               .pti_syscalls_mach = 9, .pti_syscalls_unix = 10, .pti_csw = 11, .pti_threadnum = 12, .pti_numrunning = 13,
               .pti_priority = 14},
};

EXPORT const struct rusage_info_v4 rusage = {
    .ri_uuid = {0xaa, 0xbb}, .ri_user_time = 36000001, .ri_system_time = 12000001, .ri_pkg_idle_wkups = 1,
    .ri_interrupt_wkups = 2, .ri_pageins = 3, .ri_wired_size = 4, .ri_resident_size = 73400321, .ri_phys_footprint = 52428800,
    .ri_proc_start_abstime = 5, .ri_proc_exit_abstime = 6, .ri_child_user_time = 24000000, .ri_child_system_time = 6000000,
    .ri_child_pkg_idle_wkups = 7, .ri_child_interrupt_wkups = 8, .ri_child_pageins = 9, .ri_child_elapsed_abstime = 10,
    .ri_diskio_bytesread = 11, .ri_diskio_byteswritten = 12, .ri_logical_writes = 13,
    .ri_lifetime_max_phys_footprint = 62914560, .ri_instructions = 14, .ri_cycles = 15, .ri_interval_max_phys_footprint = 16,
    .ri_runnable_time = 17,
};

/* A leader, a child in its group, a dead child. */
EXPORT const struct kinfo_proc processes[3] = {
    {.kp_proc = {.p_un.__p_starttime = {1700000001, 5}, .p_stat = SRUN, .p_pid = 4242},
     .kp_eproc = {.e_ppid = 4141, .e_pgid = 4040}},
    {.kp_proc = {.p_un.__p_starttime = {1700000002, 999999}, .p_stat = SSLEEP, .p_pid = 4243, .p_nice = -3},
     .kp_eproc = {.e_ppid = 4242, .e_pgid = 4040}},
    {.kp_proc = {.p_un.__p_starttime = {1700000003, 0}, .p_stat = SZOMB, .p_pid = 4244, .p_nice = 19},
     .kp_eproc = {.e_ppid = 4242, .e_pgid = 4244}},
};

EXPORT const struct proc_fdinfo descriptors[4] = {{0, 1}, {1, 1}, {2, 1}, {7, 2}};

EXPORT const int pids[4] = {4242, 4243, 0, 77};

EXPORT const struct vm_statistics64 vmstatistics = {
    .free_count = 100000, .active_count = 200000, .inactive_count = 150000, .wire_count = 50000, .speculative_count = 3,
    .zero_fill_count = 1, .reactivations = 2, .pageins = 123456, .pageouts = 4,
};

EXPORT const struct host_cpu_load_info cpuload = {
    .cpu_ticks = {[CPU_STATE_USER] = 1000, [CPU_STATE_SYSTEM] = 200, [CPU_STATE_IDLE] = 4000000000u, [CPU_STATE_NICE] = 30},
};

EXPORT const struct xsw_usage swapusage = {
    .xsu_total = 2147483648, .xsu_avail = 1610612736, .xsu_used = 536870912, .xsu_pagesize = 16384, .xsu_encrypted = 1,
};
