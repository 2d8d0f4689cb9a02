package main

// #include "libmimir.h"
// #include "internal.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"unicode/utf8"
	"unsafe"

	"libmimir/core"
)

const ok = C.int32_t(core.StatusOK)

const (
	// maxCount is the most strings that a list may hold, maxText the most bytes that they may have together: what Linux
	// takes for a command by default.
	maxCount = 1 << 16
	maxText  = 2 << 20
	// perCall is about what a call that takes or makes text leaves behind.
	perCall = 1 << 10
	// maxBytes is the most bytes of a buffer: what a pointer can span.
	maxBytes = 1 << 47
)

// fail records an error for mimir_last_error and returns its status.
func fail(err error) C.int32_t {
	var e *core.Error
	if !errors.As(err, &e) {
		e = core.OSError(err, "call", "")
	}
	spend(perCall)
	// C.CString would end the process where there is no memory for a copy.
	var step, text [512]byte
	copyText(step[:], e.Step)
	copyText(text[:], e.Text)
	return C.mimir_error_set(C.int32_t(e.Status), C.int32_t(e.OSCode), (*C.char)(unsafe.Pointer(&step)), (*C.char)(unsafe.Pointer(&text)))
}

// copyText copies what fits before a final zero, and no part of a character. What is not UTF-8, as a file's name may be, is
// replaced.
func copyText(to []byte, text string) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	n := copy(to[:len(to)-1], text)
	for n < len(text) && n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	to[n] = 0
}

// null is the failure of a pointer that must not be NULL.
func null(name string) C.int32_t {
	return fail(core.Errorf(core.StatusEINVAL, "check arguments", "%s is NULL", name))
}

// staleHandle is the failure of a handle that is not in the table.
func staleHandle(handle uint64) C.int32_t {
	return fail(core.Errorf(core.StatusEBADHANDLE, "find handle", "%#x is not an open handle", handle))
}

// guard turns a panic into a status: it must not cross into C. Every exported function defers it first.
func guard(status *C.int32_t) {
	if p := recover(); p != nil {
		*status = fail(core.Errorf(core.StatusEINTERNAL, "recover from panic", "%v\n%s", p, debug.Stack()))
	}
}

// writeText copies text and a final zero to buffer, if they fit, and stores the bytes that they take.
func writeText(text string, buffer *C.char, length C.uint64_t, needed *C.uint64_t) C.int32_t {
	size := uint64(len(text)) + 1
	if needed != nil {
		*needed = C.uint64_t(size)
	}
	if buffer == nil {
		if length == 0 {
			return C.int32_t(core.StatusERANGE)
		}
		return null("buffer")
	}
	if uint64(length) < size {
		return fail(core.Errorf(core.StatusERANGE, "copy text", "%d bytes are needed, the buffer has %d", size, uint64(length)))
	}
	space := unsafe.Slice((*byte)(unsafe.Pointer(buffer)), size)
	copy(space, text)
	space[len(text)] = 0
	return ok
}

// textList copies count strings, which are bytes to the operating system and so to us. NULL is an empty list.
func textList(name string, list **C.char, count C.uint64_t) ([]string, C.int32_t) {
	if uint64(count) > maxCount {
		return nil, tooMany(name, count)
	}
	if count == 0 {
		return nil, ok
	}
	if list == nil {
		return nil, null(name)
	}
	texts := make([]string, count)
	room := maxText
	for i, p := range unsafe.Slice(list, int(count)) {
		if p == nil {
			return nil, null(fmt.Sprintf("%s[%d]", name, i))
		}
		n := lengthOf(p, room+1)
		if room -= n; room < 0 {
			return nil, tooLong(name)
		}
		spend(3 * n) // it is copied here, and again by what it is used for
		texts[i] = string(unsafe.Slice((*byte)(unsafe.Pointer(p)), n))
	}
	spend(perCall + 16*len(texts))
	return texts, ok
}

// lengthOf is strnlen: most strings are so short that a call of C takes longer.
func lengthOf(p *C.char, most int) (n int) {
	for n < most && *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return n
}

// text copies a string that must not be NULL.
func text(name string, p *C.char) (string, C.int32_t) {
	list, st := textList(name, &p, 1)
	if st != ok {
		if p == nil {
			return "", null(name)
		}
		return "", st
	}
	return list[0], ok
}

func tooMany(name string, count C.uint64_t) C.int32_t {
	return fail(core.Errorf(core.StatusEINVAL, "check arguments", "%s: %d are more than %d", name, uint64(count), uint64(maxCount)))
}

func tooLong(name string) C.int32_t {
	return fail(core.Errorf(core.StatusEINVAL, "check arguments", "%s: more than %d bytes", name, maxText))
}

// bytesOf is a view of the caller's memory.
func bytesOf(name string, data unsafe.Pointer, length C.uint64_t) ([]byte, C.int32_t) {
	switch {
	case length == 0:
		return nil, ok
	case data == nil:
		return nil, null(name)
	case uint64(length) > maxBytes:
		return nil, fail(core.Errorf(core.StatusEINVAL, "check arguments", "%s: %d bytes are more than memory", name, uint64(length)))
	}
	return unsafe.Slice((*byte)(data), int(length)), ok
}
