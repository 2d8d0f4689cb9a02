package libproc

import (
	"debug/macho"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the answers in testdata from the SDK's layout")

// zig is the compiler of PyPI's ziglang, which brings Apple's public headers.
func zig(t *testing.T) string {
	t.Helper()
	if zig := os.Getenv("ZIG"); zig != "" {
		return zig
	}
	if zig, err := filepath.Abs("../../../build/zig/ziglang/zig"); err == nil {
		if _, err := os.Stat(zig); err == nil {
			return zig
		}
	}
	t.Skip("needs the compiler that `make cross` installs")
	return ""
}

func TestTheAnswersAreLaidOutAsTheSDKLaysThemOut(t *testing.T) {
	compiler := zig(t)
	for target, cpu := range map[string]macho.Cpu{"aarch64-macos.12.0": macho.CpuArm64, "x86_64-macos.12.0": macho.CpuAmd64} {
		object := filepath.Join(t.TempDir(), "answers.o")
		out, err := exec.Command(compiler, "cc", "-target", target, "-c", "-o", object, "testdata/answers.c").CombinedOutput()
		require.NoError(t, err, string(out))
		file, err := macho.Open(object)
		require.NoError(t, err)
		defer file.Close()
		require.Equal(t, cpu, file.Cpu)
		symbols := map[string]macho.Symbol{}
		for _, s := range file.Symtab.Syms {
			symbols[s.Name] = s
		}
		sizes := map[string]int{
			"taskallinfo": SizeofTaskAllInfo, "rusage": SizeofRusageInfo4, "processes": 3 * SizeofKinfoProc,
			"descriptors": 4 * SizeofFDInfo, "pids": 4 * SizeofPID, "vmstatistics": 4 * HostVMInfoWords,
			"cpuload": 4 * HostCPUWords, "swapusage": SizeofSwapUsage,
		}
		for name, size := range sizes {
			symbol, ok := symbols["_"+name]
			require.True(t, ok, name)
			section := file.Sections[symbol.Sect-1]
			data, err := section.Data()
			require.NoError(t, err)
			b := data[symbol.Value-section.Addr:][:size]
			if *update {
				require.NoError(t, os.WriteFile("testdata/"+name+".bin", b, 0o644))
			}
			assert.Equal(t, b, answer(t, name), "%s on %s", name, target)
		}
	}
}
