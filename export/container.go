package main

// #include "libmimir.h"
import "C"

import "libmimir/core"

// mimir_container_get stores the limits around the caller that others have set, and what they leave to it: those of a control group of Linux, such as a
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
	c, err := core.ReadContainer(core.Native())
	if err != nil {
		return fail(err)
	}
	store_mimir_container(container, &c)
	return ok
}

// mimir_container_text writes a text about what is around the caller: its container and runtime, a pod, a cloud; item is a
// MIMIR_CONTAINER_TEXT_* constant. What is not found is empty. It is looked for once, on the first call, without privilege and
// without asking anybody over the network: somebody who means to can mislead it.
//
// Returns: MIMIR_OK; MIMIR_ERANGE and needed as in mimir_version; MIMIR_EINVAL for an unknown item; MIMIR_ENOTSUP on macOS.
//
//mimir:forked refuse
//export mimirgo_container_text
func mimirgo_container_text(item C.int32_t, buffer *C.char, length C.uint64_t, needed *C.uint64_t) (status C.int32_t) {
	defer guard(&status)
	spend(perCall)
	text, err := core.Native().ContainerText(core.ContainerText(item))
	if err != nil {
		return fail(err)
	}
	return writeText(text, buffer, length, needed)
}
