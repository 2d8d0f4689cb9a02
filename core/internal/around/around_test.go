package around

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	id  = "3f4b8bd5a1b0c6cf6e1b9e9d7a4c2f81d7a3b5c9e0f1a2b3c4d5e6f708192a3b"
	uid = "6f2a9c1e-0b7d-4c55-9d3e-2f1a7b8c9d0e"
)

// Lines as the kernel writes them in such containers.
const (
	dockerMounts = "1031 1030 254:1 /var/lib/docker/containers/" + id + "/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n"
	podmanMounts = "612 598 0:24 /containers/overlay-containers/" + id + "/userdata/hosts /etc/hosts rw,nosuid - tmpfs tmpfs rw\n"
	podMounts    = "702 690 259:1 /var/lib/kubelet/pods/" + uid + "/etc-hosts /etc/hosts rw,noatime - ext4 /dev/nvme0n1p1 rw\n" +
		"690 520 0:98 / / ro,relatime - overlay overlay rw,lowerdir=/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/6/fs,upperdir=/x\n"
	overlayDocker = "520 410 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/var/lib/docker/overlay2/9c/diff,workdir=/w\n"
)

// Lines as a host has them that runs such containers.
const hostMounts = "25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n" +
	"310 25 0:50 / /var/lib/docker/overlay2/9c/merged rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/var/lib/docker/overlay2/9c/diff,workdir=/w\n" +
	"311 25 0:51 / /run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id + "/rootfs rw,relatime - overlay overlay rw,upperdir=/x\n" +
	"312 25 0:52 / /var/lib/kubelet/pods/" + uid + "/volumes/kubernetes.io~secret/t rw,relatime - tmpfs tmpfs rw\n" +
	"313 25 0:53 / /var/lib/containers/storage/overlay/4e/merged rw,relatime - overlay overlay rw,upperdir=/var/lib/containers/storage/overlay/4e/diff\n"

func TestContainersAreKnownByWhatTheirRuntimesLeave(t *testing.T) {
	for name, c := range map[string]struct {
		files     map[string]string
		variables map[string]string
		want      Facts
	}{
		"none":          {nil, nil, Facts{}},
		"a desktop":     {map[string]string{"/proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n"}, nil, Facts{}},
		"docker's host": {map[string]string{"/proc/self/cgroup": "0::/system.slice/docker.service\n"}, nil, Facts{}},
		"docker's and a pod's host, with containers": {map[string]string{"/proc/self/cgroup": "0::/system.slice/cron.service\n", "/proc/self/mountinfo": hostMounts}, nil, Facts{}},
		"docker, v1":                       {map[string]string{"/proc/self/cgroup": "5:memory:/docker/" + id + "\n"}, nil, Facts{Runtime: "docker", ID: id}},
		"docker, v2":                       {map[string]string{"/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": overlayDocker + dockerMounts}, nil, Facts{Runtime: "docker", ID: id}},
		"docker, host's":                   {map[string]string{"/proc/self/cgroup": "0::/system.slice/docker-" + id + ".scope\n"}, nil, Facts{Runtime: "docker", ID: id}},
		"docker's mark":                    {map[string]string{"/.dockerenv": ""}, nil, Facts{Runtime: "docker"}},
		"a machine made of docker's files": {map[string]string{"/.dockerenv": "", "/proc/self/ns/pid": outermostProcesses, "/proc/self/ns/uts": outermostNames}, nil, Facts{}},
		"docker with the host's processes": {map[string]string{"/.dockerenv": "", "/proc/self/ns/pid": outermostProcesses, "/proc/self/ns/uts": "uts:[4026532200]"}, nil,
			Facts{Runtime: "docker"}},
		"docker's files": {map[string]string{"/proc/self/mountinfo": overlayDocker, "/.dockerenv": ""}, nil, Facts{Runtime: "docker"}},
		"podman": {map[string]string{"/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": podmanMounts, "/run/.containerenv": "engine=\"podman-4.3.1\"\nname=\"x\"\n"},
			map[string]string{"container": "podman"}, Facts{Runtime: "podman", ID: id}},
		"podman, host's": {map[string]string{"/proc/self/cgroup": "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope/container\n"}, nil,
			Facts{Runtime: "podman", ID: id}},
		"podman's mark":  {map[string]string{"/run/.containerenv": ""}, nil, Facts{Runtime: "podman"}},
		"buildah":        {map[string]string{"/run/.containerenv": "engine=\"buildah-1.28.2\"\n"}, nil, Facts{Runtime: "buildah"}},
		"lxc":            {map[string]string{"/proc/self/cgroup": "0::/lxc.payload.web1/init.scope\n"}, nil, Facts{Runtime: "lxc", ID: "web1"}},
		"lxc, inside":    {map[string]string{"/proc/self/cgroup": "0::/init.scope\n", "/run/systemd/container": "lxc\n"}, nil, Facts{Runtime: "lxc"}},
		"nspawn":         {map[string]string{"/proc/1/environ": "PATH=/bin\x00container=systemd-nspawn\x00A=b\x00"}, nil, Facts{Runtime: "systemd-nspawn"}},
		"nspawn, host's": {map[string]string{"/proc/self/cgroup": "0::/machine.slice/systemd-nspawn@db.service/payload\n"}, nil, Facts{Runtime: "systemd-nspawn", ID: "db"}},
		"by a variable":  {nil, map[string]string{"container": "oci"}, Facts{Runtime: "oci"}},
		"wsl":            {map[string]string{"/proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n"}, nil, Facts{Runtime: "wsl"}},
		"docker in wsl":  {map[string]string{"/proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n", "/.dockerenv": ""}, nil, Facts{Runtime: "docker"}},

		"a pod of containerd, v1": {map[string]string{
			"/proc/self/cgroup": "4:cpu:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6f2a9c1e_0b7d_4c55_9d3e_2f1a7b8c9d0e.slice/cri-containerd-" + id + ".scope\n",
			account:             "shop\n",
		}, nil, Facts{Runtime: "containerd", ID: id, Orchestrator: "kubernetes", Pod: "web-0", PodUID: uid, Namespace: "shop"}},
		"a pod of containerd, v2": {map[string]string{"/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": podMounts},
			map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "web-1", "POD_NAMESPACE": "shop"},
			Facts{Runtime: "containerd", Orchestrator: "kubernetes", Pod: "web-1", PodUID: uid, Namespace: "shop"}},
		"a pod, by cgroupfs": {map[string]string{"/proc/self/cgroup": "0::/kubepods/besteffort/pod" + uid + "/" + id + "\n"}, nil,
			Facts{ID: id, Orchestrator: "kubernetes", Pod: "web-0", PodUID: uid}},
		"a pod of cri-o": {map[string]string{"/proc/self/cgroup": "0::/kubepods.slice/kubepods-pod" + uid + ".slice/crio-" + id + ".scope\n"}, nil,
			Facts{Runtime: "cri-o", ID: id, Orchestrator: "kubernetes", Pod: "web-0", PodUID: uid}},
		"cri-o by podman's files": {map[string]string{"/proc/self/cgroup": "0::/kubepods.slice\n", "/proc/self/mountinfo": podmanMounts}, nil,
			Facts{Runtime: "cri-o", ID: id, Orchestrator: "kubernetes", Pod: "web-0"}},
		"nomad": {nil, map[string]string{"NOMAD_ALLOC_ID": uid, "NOMAD_ALLOC_NAME": "web.cache[0]", "NOMAD_NAMESPACE": "default"},
			Facts{Orchestrator: "nomad", Pod: "web.cache[0]", PodUID: uid, Namespace: "default"}},
		"ecs on fargate": {map[string]string{"/proc/self/cgroup": "4:cpu:/ecs/7c3b/" + id + "\n"},
			map[string]string{"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"},
			Facts{ID: id, Orchestrator: "ecs", Cloud: "aws", Service: "aws-fargate"}},
		"knative is not cloud run": {map[string]string{account: "fn"}, map[string]string{"K_REVISION": "f-1"},
			Facts{Orchestrator: "kubernetes", Pod: "web-0", Namespace: "fn", Service: "knative"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, Look(evidence(c.files, c.variables, Firmware{})))
		})
	}
}

func TestCloudsAreKnownByTheirMachinesAndServices(t *testing.T) {
	for cloud, f := range map[string]Firmware{
		"aws":          {Vendor: "Amazon EC2", Product: "m5.large", BIOSVendor: "Amazon EC2", BIOSVersion: "1.0"},
		"gcp":          {Vendor: "Google", Product: "Google Compute Engine", BIOSVendor: "Google"},
		"azure":        {Vendor: "Microsoft Corporation", Product: "Virtual Machine", AssetTag: azureTag},
		"oracle":       {Vendor: "QEMU", Product: "Standard PC (i440FX + PIIX, 1996)", AssetTag: "OracleCloud.com"},
		"alibaba":      {Vendor: "Alibaba Cloud", Product: "Alibaba Cloud ECS"},
		"digitalocean": {Vendor: "DigitalOcean", Product: "Droplet"},
		"openstack":    {Vendor: "OpenStack Foundation", Product: "OpenStack Nova"},
		"hetzner":      {Vendor: "Hetzner", Product: "vServer"},
		"":             {Vendor: "Microsoft Corporation", Product: "Virtual Machine"}, // Hyper-V of one's own
	} {
		got := Look(evidence(nil, nil, f))
		assert.Equal(t, cloud, got.Cloud)
		assert.Equal(t, f.Product, got.Machine)
	}
	old := Firmware{Vendor: "Xen", Product: "HVM domU", BIOSVersion: "4.11.amazon"}
	assert.Equal(t, "aws", Look(evidence(nil, nil, old)).Cloud)
	for variable, want := range map[string]Facts{
		"AWS_LAMBDA_FUNCTION_NAME": {Service: "aws-lambda", Cloud: "aws"},
		"CLOUD_RUN_JOB":            {Service: "gcp-cloud-run", Cloud: "gcp"},
		"K_REVISION":               {Service: "gcp-cloud-run", Cloud: "gcp"},
		"WEBSITE_SITE_NAME":        {Service: "azure-app-service", Cloud: "azure"},
		"DYNO":                     {Service: "heroku"},
	} {
		assert.Equal(t, want, Look(evidence(nil, map[string]string{variable: "x"}, Firmware{})))
	}
}

func TestWithoutFilesTheEnvironmentTells(t *testing.T) {
	e := evidence(nil, map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Firmware{})
	e.Read, e.Link = nil, nil // Windows
	assert.Equal(t, Facts{Orchestrator: "kubernetes", Pod: "web-0"}, Look(e))
}

func evidence(files, variables map[string]string, f Firmware) *Evidence {
	return &Evidence{
		Read: func(path string) (string, bool) {
			text, there := files[path]
			return text, there
		},
		Link:     func(path string) string { return files[path] },
		Getenv:   func(name string) string { return variables[name] },
		Hostname: "web-0",
		Firmware: f,
	}
}
