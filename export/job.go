package main

// #include "libmimir.h"
import "C"

import (
	"sync/atomic"
	"time"
	"unsafe"

	"libmimir/core"
	"libmimir/core/job"
)

// mimir_job_create makes a job of a command: count strings of argv, the first being the program, looked up in the PATH of
// the job's environment unless it holds a separator. The strings are copied. job receives a handle, to be
// closed with mimir_job_close. Nothing is started.
//
// Until mimir_job_start or mimir_job_run the job can be given limits, streams, a directory, an environment and input.
// Without these it has no limits, the caller's streams, directory and environment, and the caller's standard input.
//
// Returns: MIMIR_OK; MIMIR_EINVAL for NULL, a count of 0 or above 65,536, more than 2 MiB of text, or an empty program.
//
//mimir:forked refuse
//export mimirgo_job_create
func mimirgo_job_create(argv **C.char, count C.uint64_t, job_ *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if job_ == nil {
		return null("job")
	}
	j, st := newJob(argv, count)
	if st == ok {
		*job_ = C.uint64_t(handles.put(j))
	}
	return st
}

func newJob(argv **C.char, count C.uint64_t) (*jobHandle, C.int32_t) {
	args, st := textList("argv", argv, count)
	if st != ok {
		return nil, st
	}
	spend(perJob)
	j, err := job.New(core.Native(), args)
	if err == nil {
		err = j.SetReturnOnSignal()
	}
	if err != nil {
		return nil, fail(err)
	}
	return j, ok
}

// mimir_run runs a command under limits to its end, in the calling thread: what mimir_job_create, mimir_job_set_limits,
// mimir_job_run, mimir_job_enforcement and mimir_job_close do for a job that needs nothing else, in one call. argv holds argc
// strings; limits and values hold count limits, and enforcements (which may be NULL) receives how strongly each of them is kept,
// a MIMIR_ENFORCEMENT_* constant.
//
// job receives the handle of the job before it is started, by which another thread can end it, and 0 when it is closed. After
// MIMIR_ETIMEDOUT or MIMIR_EINTR it keeps the handle: the job goes on, watched by a thread of the library. Continue with
// mimir_job_wait, and close it with mimir_job_close.
//
// Returns: what these functions return; MIMIR_EINVAL for NULL also.
//
//mimir:forked refuse
//export mimirgo_run
func mimirgo_run(argv **C.char, argc C.uint64_t, limits *C.int32_t, values *C.uint64_t, count, timeout_ns C.uint64_t, verdict *C.mimir_verdict, enforcements *C.int32_t, job_ *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if job_ == nil {
		return null("job")
	}
	if st := check_mimir_verdict(verdict); st != ok {
		return st
	}
	chosen, amounts, st := limitList(limits, values, count)
	if st != ok {
		return st
	}
	j, st := newJob(argv, argc)
	if st != ok {
		return st
	}
	handle, published := handles.put(j), (*uint64)(unsafe.Pointer(job_))
	atomic.StoreUint64(published, handle)
	var v core.Verdict
	err := j.SetLimits(chosen, amounts)
	if err == nil {
		v, err = j.Run(duration(timeout_ns))
	}
	goesOn := core.StatusOf(err) == core.StatusETIMEDOUT || core.StatusOf(err) == core.StatusEINTR
	if enforcements != nil && (err == nil || goesOn) {
		for i, limit := range chosen {
			kept, _ := j.Enforcement(limit) // of a limit that was set, of a job that was started
			unsafe.Slice(enforcements, len(chosen))[i] = C.int32_t(kept)
		}
	}
	if goesOn {
		return fail(err)
	}
	atomic.StoreUint64(published, 0)
	take[*jobHandle](handle)
	if err == nil {
		store_mimir_verdict(verdict, &v)
		err = j.Close()
	}
	if err != nil {
		return fail(err)
	}
	return ok
}

// mimir_job_set_limit gives the job a limit: a MIMIR_LIMIT_* constant, with its value in bytes, nanoseconds or a number.
// MIMIR_UNLIMITED takes it away.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for an unknown limit; MIMIR_ENOTSUP for one that a job cannot
// have here; MIMIR_ESTATE when the job has been started.
//
//mimir:forked refuse
//export mimirgo_job_set_limit
func mimirgo_job_set_limit(job C.uint64_t, limit C.int32_t, value C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	return with(job, func(j *jobHandle) error { return j.SetLimit(core.Limit(limit), uint64(value)) })
}

// mimir_job_set_limits gives the job count limits in one call: MIMIR_LIMIT_* constants, each with the value at the same place
// of values, as mimir_job_set_limit takes them. When one of them is refused, none is set.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for an unknown limit, NULL with a count above 0, or a count above 65,536;
// MIMIR_ENOTSUP for one that a job cannot have here; MIMIR_ESTATE when the job has been started.
//
//mimir:forked refuse
//export mimirgo_job_set_limits
func mimirgo_job_set_limits(job C.uint64_t, limits *C.int32_t, values *C.uint64_t, count C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	chosen, amounts, st := limitList(limits, values, count)
	if st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error { return j.SetLimits(chosen, amounts) })
}

// limitList is a view of the caller's limits and of their values.
func limitList(limits *C.int32_t, values *C.uint64_t, count C.uint64_t) ([]core.Limit, []uint64, C.int32_t) {
	switch {
	case uint64(count) > maxCount:
		return nil, nil, tooMany("limits", count)
	case count > 0 && limits == nil:
		return nil, nil, null("limits")
	case count > 0 && values == nil:
		return nil, nil, null("values")
	}
	return unsafe.Slice((*core.Limit)(unsafe.Pointer(limits)), int(count)), unsafe.Slice((*uint64)(unsafe.Pointer(values)), int(count)), ok
}

// mimir_job_set_directory sets the directory in which the command starts.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for NULL or an empty path; MIMIR_ESTATE when the job has been
// started. Whether the directory exists is found out at the start.
//
//mimir:forked refuse
//export mimirgo_job_set_directory
func mimirgo_job_set_directory(job C.uint64_t, path *C.char) (status C.int32_t) {
	defer guard(&status)
	directory, st := text("path", path)
	if st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error { return j.SetDirectory(directory) })
}

// mimir_job_set_environment sets the whole environment of the command: count strings "NAME=value". The strings are copied.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for NULL with a count above 0, a count above 65,536, or a string
// without a name and "="; MIMIR_ESTATE when the job has been started.
//
//mimir:forked refuse
//export mimirgo_job_set_environment
func mimirgo_job_set_environment(job C.uint64_t, variables **C.char, count C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	list, st := textList("variables", variables, count)
	if st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error { return j.SetEnvironment(list) })
}

// mimir_job_set_input gives the command length bytes to read on its standard input, followed by the end of file. The bytes
// are copied.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for NULL with a length above 0; MIMIR_ESTATE when the job has been
// started.
//
//mimir:forked refuse
//export mimirgo_job_set_input
func mimirgo_job_set_input(job C.uint64_t, data unsafe.Pointer, length C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	input, st := bytesOf("data", data, length)
	if st != ok {
		return st
	}
	spend(2 * min(len(input), perInput))
	return with(job, func(j *jobHandle) error { return j.SetInput(input) })
}

// mimir_job_set_stream says where a stream (MIMIR_STREAM_INPUT, _OUTPUT, _ERROR) of the command leads: a MIMIR_MODE_*
// constant. descriptor is used by MIMIR_MODE_DESCRIPTOR only, stays the caller's, and must be open until the start.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for an unknown stream or mode, a mode that the stream cannot have, or
// a negative descriptor; MIMIR_ESTATE when the job has been started.
//
//mimir:forked refuse
//export mimirgo_job_set_stream
func mimirgo_job_set_stream(job C.uint64_t, stream, mode C.int32_t, descriptor C.int64_t) (status C.int32_t) {
	defer guard(&status)
	return with(job, func(j *jobHandle) error {
		return j.SetStream(core.Stream(stream), core.StreamMode(mode), int64(descriptor))
	})
}

// mimir_job_set_option sets an option beside limits and streams: a MIMIR_OPTION_* constant, with the value that its
// description names.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for an unknown option or a value that it cannot have; MIMIR_ENOTSUP for
// one that cannot be had here; MIMIR_ESTATE when the job has been started.
//
//mimir:forked refuse
//export mimirgo_job_set_option
func mimirgo_job_set_option(job C.uint64_t, option C.int32_t, value C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	return with(job, func(j *jobHandle) error { return j.SetOption(core.Option(option), uint64(value)) })
}

// mimir_job_set_priority gives the command a priority, a nice value from -20 to 19 or one of the MIMIR_PRIORITY_* constants, which
// is in force before its first instruction, and which its descendants inherit. Without it the command has the caller's. Windows:
// the whole job has it, and none of its processes can change its own. Whether the caller may is found out at the start:
// MIMIR_EPERM.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for a number that is no priority; MIMIR_ESTATE when the job has been started.
//
//mimir:forked refuse
//export mimirgo_job_set_priority
func mimirgo_job_set_priority(job C.uint64_t, priority C.int32_t) (status C.int32_t) {
	defer guard(&status)
	return with(job, func(j *jobHandle) error { return j.SetPriority(core.Priority(priority)) })
}

// mimir_job_set_user sets the user, the group and count supplementary groups that the command runs as. Whether the caller
// may is found out at the start: MIMIR_EPERM.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for NULL with a count above 0 or a count above 65,536; MIMIR_ESTATE when
// the job has been started.
//
//mimir:forked refuse
//export mimirgo_job_set_user
func mimirgo_job_set_user(job C.uint64_t, user, group C.uint32_t, groups *C.uint32_t, count C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if uint64(count) > maxCount {
		return tooMany("groups", count)
	}
	if groups == nil && count > 0 {
		return null("groups")
	}
	u := core.User{UID: uint32(user), GID: uint32(group)}
	for _, g := range unsafe.Slice(groups, int(count)) {
		u.Groups = append(u.Groups, uint32(g))
	}
	return with(job, func(j *jobHandle) error { return j.SetUser(u) })
}

// mimir_job_set_writable confines the command and its descendants to changing files below count directories (a count of 0:
// no file at all); what they can read and execute stays as it is. Linux, by Landlock, without privilege.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for NULL with a count above 0 or a count above 65,536; MIMIR_ENOTSUP
// where the kernel has no Landlock; MIMIR_ESTATE when the job has been started. Directories that do not exist are found out
// at the start.
//
//mimir:forked refuse
//export mimirgo_job_set_writable
func mimirgo_job_set_writable(job C.uint64_t, directories **C.char, count C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	list, st := textList("directories", directories, count)
	if st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error { return j.SetWritable(list) })
}

// mimir_job_start starts the command, with its limits in force before its first instruction, and watches it from a thread
// of the library until it has ended.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_ENOENT when the program or the directory does not exist; MIMIR_EPERM when it
// may not be executed; MIMIR_ELIMIT when a limit is above the caller's hard limit; MIMIR_ENOMEM when the system has no
// process, memory or descriptor left; MIMIR_EOS for what else execve and the steps before it answer; MIMIR_ESTATE
// when it has been started before. After a failure nothing runs.
//
//mimir:forked refuse
//export mimirgo_job_start
func mimirgo_job_start(job C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	return with(job, func(j *jobHandle) error { return j.Start() })
}

// mimir_job_run starts the command and waits in the calling thread until it and its process group are gone, or until
// timeout_ns nanoseconds have passed (MIMIR_UNLIMITED: as long as it takes): the fastest way to run a short command. It
// may be called once; after MIMIR_ETIMEDOUT or MIMIR_EINTR the job goes on, watched by a thread of the library: continue
// with mimir_job_wait.
//
// Returns: what mimir_job_start and mimir_job_wait return.
//
//mimir:forked refuse
//export mimirgo_job_run
func mimirgo_job_run(job C.uint64_t, timeout_ns C.uint64_t, verdict *C.mimir_verdict) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_verdict(verdict); st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error {
		v, err := j.Run(duration(timeout_ns))
		if err == nil {
			store_mimir_verdict(verdict, &v)
		}
		return err
	})
}

// mimir_job_wait waits until the command and its process group are gone, or until timeout_ns nanoseconds have passed
// (0: does not wait; MIMIR_UNLIMITED: as long as it takes), and stores how it ended. It can be repeated, also after the
// end, and by several threads.
//
// Returns: MIMIR_OK; MIMIR_ETIMEDOUT when it still runs; MIMIR_EINTR when a signal arrived at this thread; MIMIR_EBADHANDLE;
// MIMIR_EINVAL when verdict is NULL or verdict->size is wrong; MIMIR_ESTATE when it has not been started.
//
//mimir:forked refuse
//export mimirgo_job_wait
func mimirgo_job_wait(job C.uint64_t, timeout_ns C.uint64_t, verdict *C.mimir_verdict) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_verdict(verdict); st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error {
		v, err := j.Wait(duration(timeout_ns))
		if err == nil {
			store_mimir_verdict(verdict, &v)
		}
		return err
	})
}

// mimir_job_kill ends the command and its process group (SIGKILL) and gives the verdict the reason MIMIR_REASON_KILLED. It
// does not wait. A job that has ended is left as it is.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_ESTATE when it has not been started.
//
//mimir:forked refuse
//export mimirgo_job_kill
func mimirgo_job_kill(job C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	return with(job, func(j *jobHandle) error { return j.Kill() })
}

// mimir_job_signal sends a signal to the command and its process group.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for a number that is no signal; MIMIR_ESRCH when it has ended;
// MIMIR_ESTATE when it has not been started; MIMIR_ENOTSUP where there are no signals.
//
//mimir:forked refuse
//export mimirgo_job_signal
func mimirgo_job_signal(job C.uint64_t, signal C.int32_t) (status C.int32_t) {
	defer guard(&status)
	return with(job, func(j *jobHandle) error { return j.Signal(int32(signal)) })
}

// mimir_job_pid stores the process id of the command, which is also the id of its process group.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for NULL; MIMIR_ESTATE when it has not been started.
//
//mimir:forked refuse
//export mimirgo_job_pid
func mimirgo_job_pid(job C.uint64_t, pid *C.int64_t) (status C.int32_t) {
	defer guard(&status)
	if pid == nil {
		return null("pid")
	}
	return with(job, func(j *jobHandle) error {
		id, err := j.PID()
		if err == nil {
			*pid = C.int64_t(id)
		}
		return err
	})
}

// mimir_job_usage stores what the job uses now: memory and CPU time of the processes in its tree added up (resident pages
// that they share count once for each).
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL when usage is NULL or usage->size is wrong; MIMIR_ESRCH when it has
// ended; MIMIR_ESTATE when it has not been started.
//
//mimir:forked refuse
//export mimirgo_job_usage
func mimirgo_job_usage(job C.uint64_t, usage *C.mimir_usage) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_usage(usage); st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error {
		u, err := j.Usage()
		if err == nil {
			store_mimir_usage(usage, &u)
		}
		return err
	})
}

// mimir_job_read moves up to length bytes of captured output (MIMIR_STREAM_OUTPUT or MIMIR_STREAM_ERROR, whose mode is
// MIMIR_MODE_CAPTURE) to buffer and stores their number. It does not wait: 0 bytes mean that there are none now, and after
// the end of the job that all have been read. With a length of 0 it stores how many there are.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for another stream, one that is not captured, or NULL.
//
//mimir:forked refuse
//export mimirgo_job_read
func mimirgo_job_read(job C.uint64_t, stream C.int32_t, buffer unsafe.Pointer, length C.uint64_t, count *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	if count == nil {
		return null("count")
	}
	space, st := bytesOf("buffer", buffer, length)
	if st != ok {
		return st
	}
	return with(job, func(j *jobHandle) error {
		n, err := j.Read(core.Stream(stream), space)
		if err == nil {
			*count = C.uint64_t(n)
		}
		return err
	})
}

// mimir_job_enforcement stores how strongly a limit of a started job is kept, a MIMIR_ENFORCEMENT_* constant:
// MIMIR_ENFORCEMENT_NONE for one that was not given.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE; MIMIR_EINVAL for an unknown limit or NULL; MIMIR_ESTATE when it has not been started.
//
//mimir:forked refuse
//export mimirgo_job_enforcement
func mimirgo_job_enforcement(job C.uint64_t, limit C.int32_t, enforcement *C.int32_t) (status C.int32_t) {
	defer guard(&status)
	if enforcement == nil {
		return null("enforcement")
	}
	return with(job, func(j *jobHandle) error {
		kept, err := j.Enforcement(core.Limit(limit))
		if err == nil {
			*enforcement = C.int32_t(kept)
		}
		return err
	})
}

// mimir_job_close gives the handle back. A job that still runs is ended first, and its threads' waits return.
//
// Returns: MIMIR_OK; MIMIR_EBADHANDLE when it is closed already.
//
//mimir:forked refuse
//export mimirgo_job_close
func mimirgo_job_close(job C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	j, found := take[*jobHandle](uint64(job))
	if !found {
		return staleHandle(uint64(job))
	}
	if err := j.Close(); err != nil {
		return fail(err)
	}
	return ok
}

type jobHandle = job.Job

// perJob is about what a job leaves behind, beside text.
const perJob = 7 << 8

// perInput is the most of an input that is kept on Go's heap.
const perInput = 64 << 10

// duration turns nanoseconds of the C interface into a time.Duration; Unlimited and what does not fit become the largest.
func duration(ns C.uint64_t) time.Duration {
	return time.Duration(min(uint64(ns), uint64(core.Forever)))
}
