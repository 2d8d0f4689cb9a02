package core

// Platform is a family of operating systems.
//
//mimir:enum mimir_platform MIMIR_PLATFORM_ strip=Platform
type Platform int32

const (
	// PlatformOther is none of the three.
	PlatformOther Platform = 0
	// PlatformLinux is Linux.
	PlatformLinux Platform = 1
	// PlatformMacos is macOS.
	PlatformMacos Platform = 2
	// PlatformWindows is Windows.
	PlatformWindows Platform = 3
)

// SystemFacts are the numbers of the system.
//
//mimir:struct mimir_system
type SystemFacts struct {
	// Platform is a PlatformLinux, PlatformMacos, PlatformWindows or PlatformOther.
	Platform Platform
	// LogicalCPUCount is the number of logical CPUs that the system has online.
	LogicalCPUCount uint32
	// UsableCPUCount is the number of logical CPUs that this process may run on (its affinity mask).
	UsableCPUCount uint32
	// PageSizeBytes is the size of a memory page.
	PageSizeBytes uint64
	// TotalMemoryBytes is the physical memory of the system. Linux: MemTotal of /proc/meminfo.
	TotalMemoryBytes uint64
	// AvailableMemoryBytes is memory that can be given to programs without swapping. Linux: MemAvailable of /proc/meminfo.
	AvailableMemoryBytes uint64
	// BootTimeSeconds is when the system started, in seconds since 1970. Linux: btime of /proc/stat.
	BootTimeSeconds uint64
}

// SystemText selects one of the system's names.
//
//mimir:enum mimir_system_text MIMIR_SYSTEM_ strip=System
type SystemText int32

const (
	// SystemPlatform is "Linux", "Darwin" or "Windows", as uname and Python's platform.system() write it.
	SystemPlatform SystemText = 1
	// SystemArchitecture is the machine's architecture, such as "x86_64" or "arm64", as uname -m writes it there.
	SystemArchitecture SystemText = 2
	// SystemRelease is the kernel's release, as uname -r writes it.
	SystemRelease SystemText = 3
	// SystemDistribution is the operating system's name and version for a person, such as "debian 12.5".
	SystemDistribution SystemText = 4
	// SystemHostname is the name of the machine.
	SystemHostname SystemText = 5
)

// SystemInfo describes the system.
type SystemInfo struct {
	SystemFacts
	// PlatformName, Architecture, Release, Distribution and Hostname are described at the SystemText constants.
	PlatformName, Architecture, Release, Distribution, Hostname string
}

// ReadSystemInfo asks an adapter for all of it.
func ReadSystemInfo(a Adapter) (SystemInfo, error) {
	var info SystemInfo
	var err error
	if info.SystemFacts, err = a.SystemFacts(); err != nil {
		return SystemInfo{}, err
	}
	texts := map[SystemText]*string{
		SystemPlatform: &info.PlatformName, SystemArchitecture: &info.Architecture, SystemRelease: &info.Release,
		SystemDistribution: &info.Distribution, SystemHostname: &info.Hostname,
	}
	for item, text := range texts {
		if *text, err = a.SystemText(item); err != nil {
			return SystemInfo{}, err
		}
	}
	return info, nil
}

func unknownText(item SystemText) error {
	return Errorf(StatusEINVAL, "check item", "%d is not a text of the system", int32(item))
}
