// Package around tells from files, firmware and the environment what has been put around a process: a container and its
// runtime, an orchestrator, a cloud. It asks nobody over the network, and needs no privilege.
package around
