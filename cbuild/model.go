package main

import (
	"fmt"
	"go/token"
	"strings"
	"unicode"
)

// Model is the C interface as the Go source states it.
type Model struct {
	Module    string // module path of go.mod
	Version   string // core.Version
	Enums     []*Enum
	Consts    []*Const
	Structs   []*Struct
	Functions []*Function
	// Helpers are the check_ and store_ functions that the hand-written files of export call.
	Helpers map[string]bool
}

// Enum is a set of named numbers: a C enum, or a set of bits.
type Enum struct {
	CName, GoName, Prefix string
	Flags                 bool
	Doc, File             string
	Items                 []Item
}

// Item is one constant of an Enum.
type Item struct {
	CName, GoName string
	Value         int64
	Doc           string
}

// Const is a constant that belongs to no Enum.
type Const struct {
	CName, GoName string
	CValue        string // as C writes it: UINT64_MAX, 1u
	PyValue       string
	Doc, File     string
}

// Struct is a C struct that begins with its size.
type Struct struct {
	CName, GoName string
	Package       string // directory of the Go package, such as core or core/job
	Doc, File     string
	Fields        []Field // without the leading size
	Size          int
	// MinSize is the size that it had at ABI 1: what a program built then gives.
	MinSize int
}

// Field is one member of a Struct.
type Field struct {
	CName, GoName string // GoName is "_" for explicit padding
	Type          fieldType
	ArrayLength   int // 0: not an array
	Offset        int
	Appended      bool // not in ABI 1
	Doc           string
}

// Function is one exported function.
type Function struct {
	CName, GoName string
	Params        []Param
	Doc           string
	ForkedInC     bool // has a plain C twin that works in a forked child
	AlwaysInC     bool // ... and answers in the process that loaded the library too, being faster
	Section       string
	Position      token.Position
}

// Param is one parameter of a Function.
type Param struct {
	Name string
	Type paramType
}

// fieldType is a fixed-width type in the languages that it is written in.
type fieldType struct {
	c, cgo, python string
	pythonValue    string // what an attribute of this type gives
	bytes          int
}

// paramType is a parameter's type in C, what the call of the cgo function casts it to, and its ctypes name.
type paramType struct {
	c, cast, python string
}

var fieldTypes = map[string]fieldType{
	"int32":   {"int32_t", "C.int32_t", "ctypes.c_int32", "int", 4},
	"uint32":  {"uint32_t", "C.uint32_t", "ctypes.c_uint32", "int", 4},
	"int64":   {"int64_t", "C.int64_t", "ctypes.c_int64", "int", 8},
	"uint64":  {"uint64_t", "C.uint64_t", "ctypes.c_uint64", "int", 8},
	"uint16":  {"uint16_t", "C.uint16_t", "ctypes.c_uint16", "int", 2},
	"float64": {"double", "C.double", "ctypes.c_double", "float", 8},
	"byte":    {"char", "C.char", "ctypes.c_char", "bytes", 1},
}

const sizeField = 4 // bytes of the uint32_t size that every struct begins with

func (f *Field) bytes() int {
	if f.ArrayLength > 0 {
		return f.ArrayLength * f.Type.bytes
	}
	return f.Type.bytes
}

// layOut gives every field its offset. Padding that a compiler would put in by itself is refused: it would be a part of
// the interface that nobody wrote down.
func (s *Struct) layOut(at func(i int) token.Position) error {
	offset, align := sizeField, sizeField
	s.MinSize = 0
	for i := range s.Fields {
		f := &s.Fields[i]
		if hole := offset % f.Type.bytes; hole != 0 {
			return fmt.Errorf("%s: %s: a C compiler would put %d bytes of padding before %s: add a field `_ uint32` or reorder",
				at(i), s.CName, f.Type.bytes-hole, f.CName)
		}
		f.Offset = offset
		if f.Appended && s.MinSize == 0 {
			s.MinSize = offset
		}
		offset += f.bytes()
		align = max(align, f.Type.bytes)
	}
	if hole := offset % align; hole != 0 {
		return fmt.Errorf("%s: %s: a C compiler would put %d bytes of padding at the end: add a field `_ uint32` or reorder",
			at(len(s.Fields)-1), s.CName, align-hole)
	}
	s.Size = offset
	if s.MinSize == 0 {
		s.MinSize = s.Size
	}
	return nil
}

// snake writes a Go name in C's manner: UserTimeNs is user_time_ns, CPUPercent is cpu_percent.
func snake(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			afterLower := !unicode.IsUpper(runes[i-1])
			endsAcronym := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if (afterLower || endsAcronym) && runes[i-1] != '_' {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
