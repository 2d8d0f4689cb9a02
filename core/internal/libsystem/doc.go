// Package libsystem calls functions of macOS's libSystem without cgo. They are linked as golang.org/x/sys links its own: by
// the name of the function and of the library, which dyld resolves as the program is loaded.
package libsystem
