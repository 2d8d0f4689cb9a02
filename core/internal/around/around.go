package around

import "strings"

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
	mounts = insideOnly(mounts)
	f.container(e, groups, mounts)
	f.orchestrator(e, groups, mounts)
	f.cloud(e)
	return f
}

// inGroups are the names that runtimes give the control groups of containers: what stands before the id, of 64 digits.
var inGroups = []struct{ runtime, before string }{
	{"docker", "/docker-"},
	{"docker", "/docker/"},
	{"docker", "/docker/buildx/"},
	{"containerd", "cri-containerd-"},
	{"containerd", "cri-containerd:"},
	{"cri-o", "/crio-"},
	{"podman", "/libpod-"},
}

// byName are the same of runtimes whose containers have names: what stands before and behind them.
var byName = []struct{ runtime, before, behind string }{
	{"lxc", "/lxc.payload.", ""},
	{"lxc", "/lxc/", ""},
	{"systemd-nspawn", "/machine-", ".scope/payload"},
	{"systemd-nspawn", "/systemd-nspawn@", ".service"},
}

// insideOnly leaves those lines of mountinfo that are for a container's own files: on the host there are those of all containers.
func insideOnly(mounts string) string {
	var inside strings.Builder
	for line := range strings.Lines(mounts) {
		if fields := strings.Fields(line); len(fields) > 4 {
			switch fields[4] { // where it is mounted
			case "/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf":
				inside.WriteString(line)
			}
		}
	}
	return inside.String()
}

// inMounts are places on the host that runtimes mount into containers, in the lines of mountinfo. They show it in a control group
// namespace too, where the group is "/". Behind some of them stands the id.
var inMounts = []struct{ runtime, place string }{
	{"docker", "/docker/containers/"},
	{"podman", "/overlay-containers/"},
	{"containerd", "/io.containerd."},
	{"docker", "upperdir=/var/lib/docker/"},
	{"podman", "/containers/storage/overlay"},
}

const idLength = 64

// idAfter is the id that stands behind a text, if there is one.
func idAfter(text, before string) string {
	for {
		_, rest, found := strings.Cut(text, before)
		if !found {
			return ""
		}
		if len(rest) >= idLength && isHex(rest[:idLength]) {
			return rest[:idLength]
		}
		text = rest
	}
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

// nameBetween is the part of a path that stands between two texts, or to its end.
func nameBetween(text, before, behind string) string {
	_, rest, _ := strings.Cut(text, before)
	line, _, _ := strings.Cut(rest, "\n")
	if behind == "" {
		name, _, _ := strings.Cut(line, "/")
		return name
	}
	if name, _, found := strings.Cut(line, behind); found && !strings.Contains(name, "/") {
		return name
	}
	return ""
}

// container finds the runtime and the id: by control groups first, which tell both, then by mounts, and by marks, which are the
// easiest to leave behind.
func (f *Facts) container(e *Evidence, groups, mounts string) {
	f.inGroup(groups)
	for _, known := range inMounts {
		if f.Runtime != "" && f.ID != "" {
			break
		}
		if strings.Contains(mounts, known.place) {
			f.Runtime = first(f.Runtime, known.runtime)
			f.ID = first(f.ID, idAfter(mounts, known.place))
		}
	}
	if f.Runtime == "" {
		f.Runtime = marked(e)
	}
	if f.Runtime == "podman" && strings.Contains(groups+mounts, "kubepods") {
		f.Runtime = "cri-o" // which keeps its containers where podman does
	}
}

func (f *Facts) inGroup(groups string) {
	for _, known := range inGroups {
		if f.ID = idAfter(groups, known.before); f.ID != "" {
			f.Runtime = known.runtime
			return
		}
	}
	for _, known := range byName {
		if f.ID = nameBetween(groups, known.before, known.behind); f.ID != "" {
			f.Runtime = known.runtime
			return
		}
	}
	for line := range strings.Lines(groups) { // a container of Kubernetes or ECS, whose runtime the group does not tell
		group := strings.TrimSpace(line)
		last := group[strings.LastIndex(group, "/")+1:]
		placed := strings.Contains(group, "/kubepods") || strings.Contains(group, "/ecs/")
		if placed && len(last) == idLength && isHex(last) {
			f.ID = last
			return
		}
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

// podIn is the uid of a pod in the names of its control groups: "pod6f2a...", or "kubepods-burstable-pod6f2a_...slice".
func podIn(groups string) string {
	for _, name := range strings.FieldsFunc(groups, func(r rune) bool { return r == '/' || r == '\n' }) {
		name = strings.TrimSuffix(name, ".slice")
		_, uid, _ := strings.Cut("-"+name[max(0, strings.LastIndex(name, "pod")-1):], "-pod")
		if uid = strings.ReplaceAll(uid, "_", "-"); isUID(uid) {
			return uid
		}
	}
	return ""
}

// isUID is whether it is a UUID, or the sum of a static pod's file, as it stands in their places.
func isUID(text string) bool {
	if len(text) == 36 {
		return text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' && isHex(strings.ReplaceAll(text, "-", ""))
	}
	return len(text) == 32 && isHex(text)
}

// podMounted is the uid of a pod in the places that its node's kubelet has mounted.
func podMounted(mounts string) string {
	if uid := nameBetween(mounts, "/kubelet/pods/", "/"); isUID(uid) {
		return uid
	}
	return ""
}

func (f *Facts) orchestrator(e *Evidence, groups, mounts string) {
	namespace, there := e.Read(account)
	mounted := podMounted(mounts)
	switch {
	case there || e.Getenv("KUBERNETES_SERVICE_HOST") != "" || strings.Contains(groups, "kubepods") || mounted != "":
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
	f.PodUID = first(podIn(groups), mounted)
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
