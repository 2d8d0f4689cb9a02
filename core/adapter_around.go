//go:build linux || windows

package core

import "libmimir/core/internal/around"

// containerText picks a text of what was found.
func containerText(f *around.Facts, item ContainerText) (string, error) {
	texts := map[ContainerText]string{
		ContainerTextRuntime: f.Runtime, ContainerTextID: f.ID, ContainerTextOrchestrator: f.Orchestrator, ContainerTextPod: f.Pod,
		ContainerTextPodUID: f.PodUID, ContainerTextNamespace: f.Namespace, ContainerTextCloud: f.Cloud,
		ContainerTextMachine: f.Machine, ContainerTextService: f.Service,
	}
	text, known := texts[item]
	if !known {
		return "", Errorf(StatusEINVAL, "check item", "%d is not a text about the container", int32(item))
	}
	return text, nil
}

// hostVariable is the value of a variable of the host's environment, empty without one.
func hostVariable(name string) string {
	variables, _ := HostEnvironment()
	value, _ := variableIn(variables, name)
	return value
}
