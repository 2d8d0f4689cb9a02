// Package winproc starts processes on Windows, with the handles that they are given and no others, and reads, lists and ends
// those that run.
package winproc
