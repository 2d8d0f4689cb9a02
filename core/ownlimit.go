package core

// kernelLimit is a limit as the kernel has it.
type kernelLimit struct{ soft, hard uint64 }

// withReserve adds what the library has taken of a limit.
func withReserve(limit Limit, value uint64) uint64 {
	addressSpace, data := reserve()
	taken := uint64(0)
	switch limit {
	case LimitMemory:
		taken = data
	case LimitAddressSpace:
		taken = addressSpace
	}
	if value > Unlimited-taken {
		return Unlimited
	}
	return value + taken
}
