// Package cmdline has the rules by which Windows reads a command: one string that holds all arguments, a program that is
// looked up with PATH and PATHEXT, batch files that cmd.exe reads by rules of its own. They look at no file and are the same on
// every machine.
package cmdline
