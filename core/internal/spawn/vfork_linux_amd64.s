#include "textflag.h"

// func vfork(trap, a1, a2, a3, a4, a5 uintptr) (r uintptr)
//
// The child returns on the stack that the caller will return on after it. What the child calls then overwrites the return
// address below the caller's frame, so that this one is kept in a register across the system call.
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-56
	MOVQ	trap+0(FP), AX
	MOVQ	a1+8(FP), DI
	MOVQ	a2+16(FP), SI
	MOVQ	a3+24(FP), DX
	MOVQ	a4+32(FP), R10
	MOVQ	a5+40(FP), R8
	POPQ	R12
	SYSCALL
	PUSHQ	R12
	MOVQ	AX, r+48(FP)
	RET
