package main

import (
	"fmt"
	"strings"
)

// layout writes a C program that prints how a C compiler lays out each struct: a line "struct size", then a line
// "struct.field offset size" for each field. The tests hold Go's and Python's view against it.
func layout(m *Model) []byte {
	var b strings.Builder
	b.WriteString("#include <stddef.h>\n#include <stdio.h>\n\n#include \"libmimir.h\"\n\n")
	b.WriteString("#define FIELD(s, f) printf(#s \".\" #f \" %u %u\\n\", (unsigned)offsetof(s, f), (unsigned)sizeof(((s *)0)->f))\n\n")
	b.WriteString("int main(void) {\n")
	for _, s := range m.Structs {
		fmt.Fprintf(&b, "    printf(\"%[1]s %%u\\n\", (unsigned)sizeof(%[1]s));\n    FIELD(%[1]s, size);\n", s.CName)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "    FIELD(%s, %s);\n", s.CName, f.CName)
		}
	}
	b.WriteString("    return 0;\n}\n")
	return []byte(b.String())
}
