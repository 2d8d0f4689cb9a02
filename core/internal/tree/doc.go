// Package tree finds all processes of a job, whatever they have done to get away: changed group or session, lost their
// parent, emptied their environment, closed their descriptors.
//
// A job is marked by a limit that binds nobody: RLIMIT_RTTIME, the time that a process of real-time priority may run without
// a pause, set to a number of centuries that no other job has. Limits pass from parent to child and through exec, they cannot
// be raised again without privilege, and anybody may read them. The processes that can bear a mark are those whose ids were
// given out since the job began, and the kernel tells the last one that was; so that a look at a short job costs one small
// file, and a job that never forked is known not to have.
package tree
