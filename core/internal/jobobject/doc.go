// Package jobobject is Windows' job objects: a set of processes, and all that they start, with limits that the kernel keeps,
// accounts of what they use, and an end that reaches each of them.
package jobobject
