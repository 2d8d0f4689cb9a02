package core

// Stream is one of a command's standard streams.
//
//mimir:enum mimir_stream MIMIR_STREAM_ strip=Stream
type Stream int32

const (
	// StreamInput is standard input.
	StreamInput Stream = 0
	// StreamOutput is standard output.
	StreamOutput Stream = 1
	// StreamError is standard error.
	StreamError Stream = 2
)

// StreamMode says where a stream of a job leads.
//
//mimir:enum mimir_mode MIMIR_MODE_ strip=Mode
type StreamMode int32

const (
	// ModeInherit leads to the caller's own stream of the same number.
	ModeInherit StreamMode = 0
	// ModeNull leads to the null device.
	ModeNull StreamMode = 1
	// ModeCapture keeps what the command writes for mimir_job_read. Output and error only.
	ModeCapture StreamMode = 2
	// ModeDescriptor leads to a descriptor of the caller. Windows: to a HANDLE, of which it is the number; 0, 1 and 2 are
	// the standard handles.
	ModeDescriptor StreamMode = 3
	// ModeOutput leads to where the command's standard output leads. Error only.
	ModeOutput StreamMode = 4
)
