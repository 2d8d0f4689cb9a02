package main

// #include "libmimir.h"
import "C"

import "libmimir/core"

// mimir_container_get stores the limits around the caller that others have set: those of a control group of Linux, such as a
// container's, or of a job object of Windows, such as that of a Windows container; MIMIR_CONTAINER_NONE where there are none.
// They are read anew each time.
//
// Returns: MIMIR_OK; MIMIR_EINVAL when container is NULL or container->size is wrong; MIMIR_ENOTSUP on macOS, which has no
// containers.
//
//mimir:forked refuse
//export mimirgo_container_get
func mimirgo_container_get(container *C.mimir_container) (status C.int32_t) {
	defer guard(&status)
	if st := check_mimir_container(container); st != ok {
		return st
	}
	spend(perSystemFile)
	c, err := core.Native().Container()
	if err != nil {
		return fail(err)
	}
	store_mimir_container(container, &c)
	return ok
}
