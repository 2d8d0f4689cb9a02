package core

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the tables of README.md from what the adapters answer")

// pythonNames are the limits' names in Python and in README.md.
var pythonNames = map[Limit]string{
	LimitMemory: "memory", LimitAddressSpace: "address_space", LimitCPUTime: "cpu", LimitWallTime: "wall",
	LimitProcesses: "processes", LimitOpenFiles: "open_files", LimitFileSize: "file_size", LimitOutput: "output",
	LimitCPURate: "cpu_rate",
}

// How an answer was tested.
const (
	held     = "held"     // a test exceeds the limit on the system itself, and is stopped
	wine     = "wine"     // tests run the code under Wine, which accepts such limits and does not keep all of them
	portable = "portable" // the code that keeps it is tested on Linux; what it reads of the system is tested from recorded answers
	compiled = "compiled" // the code compiles and is vetted; nobody has run it
	nothing  = "-"
)

// column is a column of README's tables.
type column struct {
	title    string
	platform Platform
	on       func(Support) []Enforcement
	tested   func(Limit, Enforcement) string
}

func scopes(these ...Scope) func(Support) []Enforcement {
	return func(s Support) (found []Enforcement) {
		for _, scope := range these {
			found = append(found, s.On(scope))
		}
		return found
	}
}

func always(how string) func(Limit, Enforcement) string {
	return func(Limit, Enforcement) string { return how }
}

// onMacos: the watchdog is the same code as on Linux.
func onMacos(_ Limit, kept Enforcement) string {
	if kept == EnforcementWatchdog {
		return portable
	}
	return compiled
}

var columns = []column{
	{"Linux: itself, another process", PlatformLinux, scopes(ScopeSelf, ScopeProcess), always(held)},
	{"Linux: a command", PlatformLinux, func(s Support) []Enforcement {
		if s.Grouped != EnforcementNone {
			return []Enforcement{s.Grouped, s.Job}
		}
		return []Enforcement{s.Job}
	}, always(held)},
	{"macOS: itself", PlatformMacos, scopes(ScopeSelf), onMacos},
	{"macOS: another process", PlatformMacos, scopes(ScopeProcess), onMacos},
	{"macOS: a command", PlatformMacos, scopes(ScopeJob), onMacos},
	{"Windows: itself, another process", PlatformWindows, scopes(ScopeSelf, ScopeProcess), always(wine)},
	{"Windows: a command", PlatformWindows, scopes(ScopeJob), always(wine)},
}

// words writes enforcements as README does: those of two scopes once where they agree, with and without a control group apart.
func words(kept []Enforcement) string {
	var texts []string
	for _, e := range kept {
		text := "`" + e.String() + "`"
		if len(texts) == 0 || texts[0] != text {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ", else ")
}

// platformTables are README's tables of what is kept where, and of how that was tested.
func platformTables() string {
	var kept, tested strings.Builder
	rule := "|" + strings.Repeat("---|", len(columns)+1) + "\n"
	for b, title := range map[*strings.Builder]string{&kept: "limit", &tested: "tested"} {
		fmt.Fprintf(b, "| %s |", title)
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", c.title)
		}
		b.WriteString("\n" + rule)
	}
	for _, limit := range Limits {
		name := "| `" + pythonNames[limit] + "` |"
		kept.WriteString(name)
		tested.WriteString(name)
		for _, c := range columns {
			enforcements := c.on(SupportOn(c.platform, limit))
			fmt.Fprintf(&kept, " %s |", words(enforcements))
			how := c.tested(limit, enforcements[len(enforcements)-1])
			if words(enforcements) == "`none`" {
				how = nothing
			}
			fmt.Fprintf(&tested, " %s |", how)
		}
		kept.WriteString("\n")
		tested.WriteString("\n")
	}
	return kept.String() + "\nHow each answer was tested: `held`, a test exceeds the limit on the system itself and is stopped; `wine`, tests run\n" +
		"the code under Wine, which does not keep every limit; `portable`, the code is tested on Linux, and what it reads of\n" +
		"the system from answers laid out by the SDK; `compiled`, nobody has run it on the system.\n\n" + tested.String()
}

var marked = regexp.MustCompile(`(?s)(<!-- platform table: go test \./core -run README -update -->\n\n).*?(<!-- end of the platform table -->)`)

func TestTheTablesOfREADMEAreWhatTheAdaptersAnswer(t *testing.T) {
	const name = "../README.md"
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, marked.Match(text), "README.md has no place for the tables")
	wanted := marked.ReplaceAllString(string(text), "${1}"+platformTables()+"\n${2}")
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(wanted), 0o644))
		return
	}
	assert.Equal(t, wanted, string(text), "go test ./core -run README -update")
}

func TestTheAdapterAnswersFromTheTable(t *testing.T) {
	facts, err := Native().SystemFacts()
	require.NoError(t, err)
	for _, limit := range Limits {
		for _, scope := range []Scope{ScopeSelf, ScopeProcess, ScopeJob} {
			kept, err := Supports(NativeWithoutGroups(), limit, scope)
			require.NoError(t, err)
			assert.Equal(t, SupportOn(facts.Platform, limit).On(scope), kept, "%s on scope %d", limit, scope)
			if kept, _ = Supports(Native(), limit, scope); scope == ScopeJob && kept != SupportOn(facts.Platform, limit).Job {
				assert.Equal(t, SupportOn(facts.Platform, limit).Grouped, kept, limit)
			}
		}
	}
	assert.Equal(t, Support{}, SupportOn(PlatformOther, LimitMemory))
	assert.Equal(t, EnforcementNone, Support{Self: EnforcementKernel}.On(0))
}

func TestMaxrssIsBytesOnMacosAndKibibytesElsewhere(t *testing.T) {
	for platform, want := range map[Platform]uint64{
		PlatformMacos: 70 << 20, PlatformLinux: 70 << 30, PlatformOther: 70 << 30,
	} {
		assert.Equal(t, want, maxrssBytes(platform, 70<<20), platform)
	}
	assert.Zero(t, maxrssBytes(PlatformLinux, 0))
}
