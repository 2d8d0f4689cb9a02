// Command cbuild makes what stands between the Go source and the other languages.
//
//	go run ./cbuild generate                  write the C header, the C entry points and the Python bindings
//	go run ./cbuild check [--library FILE]    fail when one of them is stale, an import runs the wrong way,
//	                                          or FILE shows other symbols than the header
//	go run ./cbuild build [--out DIR]         build the shared library
//
// It parses the source and imports none of it.
package main
