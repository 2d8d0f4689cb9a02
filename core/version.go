package core

// Version is the version of the library. The header has it as MIMIR_VERSION.
const Version = "0.1.0"

// ABI is the number of the binary interface that this version offers.
//
//mimir:const MIMIR_ABI
const ABI uint32 = 1
