package core

// ContainerKind is what bounds the caller together with other processes.
//
//mimir:enum mimir_container_kind MIMIR_CONTAINER_ strip=Container
type ContainerKind int32

const (
	// ContainerNone means that nothing was found.
	ContainerNone ContainerKind = 0
	// ContainerControlGroup is a Linux control group with a limit, such as those of Docker, Kubernetes and systemd.
	ContainerControlGroup ContainerKind = 1
	// ContainerJobObject is a Windows job object that the caller was started in.
	ContainerJobObject ContainerKind = 2
	// ContainerWindows is a Windows container (a server silo), whose limits are those of its job object.
	ContainerWindows ContainerKind = 3
)

// Container is the limits around the caller that were set by others, and what has been used of them.
//
//mimir:struct mimir_container
type Container struct {
	// Kind is a ContainerKind.
	Kind ContainerKind
	// MemoryLimitBytes is how much memory all together may take, Unlimited without a limit. Linux: the least memory.max
	// (version 1: memory.limit_in_bytes) of the caller's group and those above it. Windows: of commit, the lesser of the job's
	// limits for all its processes and for each.
	MemoryLimitBytes uint64
	// MemoryUsageBytes is how much they take, Unlimited where that is not told. Linux: memory.current
	// (memory.usage_in_bytes) of the group whose limit it is, or the caller's. Windows: JobObjectMemoryUsageInformation.
	MemoryUsageBytes uint64
	// CPURateLimit is how much CPU they may use at a time, in thousandths of one CPU, Unlimited without a limit. Linux: the
	// least cpu.max (cpu.cfs_quota_us). Windows: the job's CPU rate, where it is a hard cap.
	CPURateLimit uint64
	// ProcessLimit is how many processes (Linux: and threads) there may be, Unlimited without a limit. Linux: the least
	// pids.max. Windows: the job's active process limit.
	ProcessLimit uint64
	// ReclaimableBytes is the part of MemoryUsageBytes that is given up when memory is wanted, 0 where that is not told. Linux:
	// inactive_file (total_inactive_file) of memory.stat.
	ReclaimableBytes uint64
	// UsableCPURate is how much CPU the caller can have at a time, in thousandths of one CPU: the CPUs that it may run on, or
	// CPURateLimit, if that is less. How many threads are worth having.
	UsableCPURate uint64
	// UsableMemoryBytes is how much memory there is for it: the system's, or MemoryLimitBytes, if that is less.
	UsableMemoryBytes uint64
	// AvailableMemoryBytes is how much of that can still be had without swapping: what is available in the system, or what is
	// left of MemoryLimitBytes, counting what is reclaimable as left, if that is less.
	AvailableMemoryBytes uint64
}

// ContainerText selects text about what is around the caller. What is not found is empty.
//
//mimir:enum mimir_container_text MIMIR_CONTAINER_TEXT_ strip=ContainerText
type ContainerText int32

const (
	// ContainerTextRuntime is what runs the container that the caller is in: "docker", "podman", "buildah", "containerd",
	// "cri-o", "lxc", "systemd-nspawn", "wsl", or what the runtime calls itself. Linux: the names of control groups in
	// /proc/self/cgroup, mounts in /proc/self/mountinfo, /run/.containerenv and /.dockerenv (but in the kernel's first namespaces,
	// which no container is in), /run/systemd/container, the variable container. Windows: "windows".
	ContainerTextRuntime ContainerText = 1
	// ContainerTextID is the container's id, or name, as its runtime has it.
	ContainerTextID ContainerText = 2
	// ContainerTextOrchestrator is what has placed the container: "kubernetes", "nomad" or "ecs".
	ContainerTextOrchestrator ContainerText = 3
	// ContainerTextPod is the name of the pod (Nomad: the allocation): the variable POD_NAME, or the host's name, which is
	// that of the pod unless it has the node's network.
	ContainerTextPod ContainerText = 4
	// ContainerTextPodUID is the pod's uid, from the names of control groups or mounts.
	ContainerTextPodUID ContainerText = 5
	// ContainerTextNamespace is the pod's namespace: that of its service account, or the variable POD_NAMESPACE.
	ContainerTextNamespace ContainerText = 6
	// ContainerTextCloud is whose machine it is: "aws", "gcp", "azure", "oracle", "alibaba", "tencent", "digitalocean",
	// "hetzner", "vultr", "linode", "scaleway", "exoscale", "upcloud" or "openstack". By what the firmware says (Linux:
	// /sys/class/dmi/id; Windows: the registry, which does not tell Azure and Oracle), and by the service; nobody is asked
	// over the network.
	ContainerTextCloud ContainerText = 7
	// ContainerTextMachine is the machine's model by its firmware, in some clouds the kind of instance, such as "m5.large".
	ContainerTextMachine ContainerText = 8
	// ContainerTextService is the service that runs the program for its owner, by the variables that it sets: "aws-lambda",
	// "aws-fargate", "aws-ecs", "gcp-cloud-run", "gcp-app-engine", "azure-functions", "azure-app-service",
	// "azure-container-apps", "knative", "fly" or "heroku".
	ContainerTextService ContainerText = 9
)

// ReadContainer reads the limits around the caller, and what they leave to it.
func ReadContainer(a Adapter) (Container, error) {
	c, err := a.Container()
	if err != nil {
		return Container{}, err
	}
	facts, err := a.SystemFacts()
	if err != nil {
		return Container{}, err
	}
	c.UsableCPURate = min(uint64(facts.UsableCPUCount)*1000, c.CPURateLimit)
	c.UsableMemoryBytes = min(facts.TotalMemoryBytes, c.MemoryLimitBytes)
	c.AvailableMemoryBytes = facts.AvailableMemoryBytes
	if c.MemoryLimitBytes != Unlimited && c.MemoryUsageBytes != Unlimited {
		used := c.MemoryUsageBytes - min(c.ReclaimableBytes, c.MemoryUsageBytes)
		c.AvailableMemoryBytes = min(c.AvailableMemoryBytes, c.MemoryLimitBytes-min(used, c.MemoryLimitBytes))
	}
	return c, nil
}
