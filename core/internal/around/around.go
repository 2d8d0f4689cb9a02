package around

import (
	"regexp"
	"strings"
)

// Evidence is what there is to see. A test lays it out.
type Evidence struct {
	// Read gives a file's text, and whether it is there; nil where there are no such files.
	Read func(path string) (text string, there bool)
	// Link gives where a symbolic link leads, empty without it; nil where there are no such files.
	Link func(path string) string
	// Getenv gives a variable of the environment, empty without it.
	Getenv func(name string) string
	// Hostname is the machine's own name.
	Hostname string
	// Firmware is what the machine says of itself.
	Firmware Firmware
}

// Firmware is text of the machine's SMBIOS tables.
type Firmware struct{ Vendor, Product, BIOSVendor, BIOSVersion, AssetTag string }

// Facts is what was found. What was not is empty.
type Facts struct {
	Runtime, ID                          string
	Orchestrator, Pod, PodUID, Namespace string
	Cloud, Machine, Service              string
}

// Look draws the conclusions.
func Look(e *Evidence) Facts {
	var f Facts
	if e.Read == nil {
		e.Read = func(string) (string, bool) { return "", false }
		e.Link = func(string) string { return "" }
	}
	groups, _ := e.Read("/proc/self/cgroup")
	mounts, _ := e.Read("/proc/self/mountinfo")
	f.container(e, groups, mounts)
	f.orchestrator(e, groups, mounts)
	f.cloud(e)
	return f
}

const hex = `([0-9a-f]{64})`

// inGroups are the names that runtimes give the control groups of containers.
var inGroups = []struct {
	runtime string
	pattern *regexp.Regexp
}{
	{"docker", regexp.MustCompile(`/docker-` + hex + `\.scope`)},
	{"docker", regexp.MustCompile(`/docker/(?:buildx/|buildkit/)?` + hex)},
	{"containerd", regexp.MustCompile(`[/:]cri-containerd[-:]` + hex)},
	{"cri-o", regexp.MustCompile(`/crio-` + hex)},
	{"podman", regexp.MustCompile(`/libpod-` + hex)},
	{"lxc", regexp.MustCompile(`/lxc\.payload\.([^/\n]+)`)},
	{"lxc", regexp.MustCompile(`/lxc/([^/\n]+)`)},
	{"systemd-nspawn", regexp.MustCompile(`/machine-([^/\n]+)\.scope/payload`)},
	{"systemd-nspawn", regexp.MustCompile(`/systemd-nspawn@([^/\n]+)\.service`)},
	{"", regexp.MustCompile(`/kubepods[^\n]*/` + hex)},
	{"", regexp.MustCompile(`/ecs/[^\n]*/` + hex)},
}

// inMounts are places on the host that runtimes mount into containers, in the lines of mountinfo. They show it in a control group
// namespace too, where the group is "/".
var inMounts = []struct {
	runtime string
	pattern *regexp.Regexp
}{
	{"docker", regexp.MustCompile(`/docker/containers/` + hex + `/`)},
	{"podman", regexp.MustCompile(`/overlay-containers/` + hex + `/userdata`)},
	{"containerd", regexp.MustCompile(`/io\.containerd\.[a-z0-9.-]+/`)},
	{"docker", regexp.MustCompile(`upperdir=[^, ]*/docker/`)},
	{"podman", regexp.MustCompile(`upperdir=[^, ]*/containers/storage/`)},
}

// container finds the runtime and the id. A file of the runtime's own is the surest, after the name that systemd has been given.
func (f *Facts) container(e *Evidence, groups, mounts string) {
	for _, known := range inGroups {
		if found := known.pattern.FindStringSubmatch(groups); found != nil {
			f.Runtime, f.ID = known.runtime, found[1]
			break
		}
	}
	for _, known := range inMounts {
		found := known.pattern.FindStringSubmatch(mounts)
		if found == nil {
			continue
		}
		if f.Runtime == "" {
			f.Runtime = known.runtime
		}
		if f.ID == "" && len(found) > 1 {
			f.ID = found[1]
		}
		if f.Runtime != "" && f.ID != "" {
			break
		}
	}
	if f.Runtime == "" {
		f.Runtime = marked(e)
	}
	if f.Runtime == "podman" && strings.Contains(groups+mounts, "kubepods") {
		f.Runtime = "cri-o" // which keeps its containers where podman does
	}
}

// marked is the runtime that files and variables name.
func marked(e *Evidence) string {
	if !e.outermost() {
		if text, there := e.Read("/run/.containerenv"); there {
			if _, engine, named := strings.Cut(text, `engine="`); named && strings.HasPrefix(engine, "buildah") {
				return "buildah"
			}
			return "podman"
		}
		if _, there := e.Read("/.dockerenv"); there {
			return "docker"
		}
	}
	named, _ := e.Read("/run/systemd/container")
	if named == "" {
		variables, _ := e.Read("/proc/1/environ")
		for variable := range strings.SplitSeq(variables, "\x00") {
			if value, is := strings.CutPrefix(variable, "container="); is {
				named = value
			}
		}
	}
	if named == "" {
		named = e.Getenv("container")
	}
	if named = strings.TrimSpace(named); named != "" {
		return named
	}
	if release, _ := e.Read("/proc/sys/kernel/osrelease"); strings.Contains(strings.ToLower(release), "microsoft") {
		return "wsl"
	}
	return ""
}

// The namespaces that a kernel begins with have these numbers.
const outermostProcesses, outermostNames = "pid:[4026531836]", "uts:[4026531838]"

// outermost is whether nothing has been put around the process that hides others from it. A virtual machine may have been made of a
// container's files, with the marks that its runtime has left in them.
func (e *Evidence) outermost() bool {
	return e.Link("/proc/self/ns/pid") == outermostProcesses && e.Link("/proc/self/ns/uts") == outermostNames
}

const account = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

var (
	podInGroups = regexp.MustCompile(`[/-]pod([0-9a-f]{8}([-_])[0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?/`)
	podInMounts = regexp.MustCompile(`/kubelet/pods/([0-9a-f-]{32,36})/`)
)

func (f *Facts) orchestrator(e *Evidence, groups, mounts string) {
	namespace, there := e.Read(account)
	switch {
	case there || e.Getenv("KUBERNETES_SERVICE_HOST") != "" || strings.Contains(groups, "kubepods") || podInMounts.MatchString(mounts):
		f.Orchestrator = "kubernetes"
	case e.Getenv("NOMAD_ALLOC_ID") != "":
		f.Orchestrator = "nomad"
		f.Pod, f.Namespace = e.Getenv("NOMAD_ALLOC_NAME"), e.Getenv("NOMAD_NAMESPACE")
		f.PodUID = e.Getenv("NOMAD_ALLOC_ID")
		return
	case e.Getenv("ECS_CONTAINER_METADATA_URI_V4") != "" || e.Getenv("ECS_CONTAINER_METADATA_URI") != "":
		f.Orchestrator = "ecs"
		return
	default:
		return
	}
	if found := podInGroups.FindStringSubmatch(groups); found != nil {
		f.PodUID = strings.ReplaceAll(found[1], "_", "-")
	} else if found := podInMounts.FindStringSubmatch(mounts); found != nil {
		f.PodUID = found[1]
	}
	f.Namespace = first(strings.TrimSpace(namespace), e.Getenv("POD_NAMESPACE"))
	f.Pod = first(e.Getenv("POD_NAME"), e.Hostname)
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
