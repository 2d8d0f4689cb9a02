package job

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"libmimir/core"
)

// The test binary is also the commands that its jobs run: chores, by the name in this variable.
const choreVariable = "MIMIR_CHORE"

func TestMain(m *testing.M) {
	if name := os.Getenv(choreVariable); name != "" {
		chores[name](os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var chores = map[string]func(args []string){
	"exit":  func(args []string) { os.Exit(number(args[0])) },
	"args":  func(args []string) { fmt.Print(strings.Join(args, "\n")) },
	"cat":   func([]string) { _, _ = io.Copy(os.Stdout, os.Stdin) },
	"sleep": func([]string) { time.Sleep(time.Hour) },
	"both": func([]string) {
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
	},
	"write": func(args []string) {
		block := make([]byte, 1000)
		for range number(args[0]) / len(block) {
			if _, err := os.Stdout.Write(block); err != nil {
				os.Exit(3)
			}
		}
	},
	"priority": func([]string) {
		p, _ := core.ReadPriority(core.Native(), 0)
		fmt.Print(int(p))
	},
	// raise tries to get out of its class, and shows that of a child.
	"raise": func([]string) {
		err := core.SetPriority(core.Native(), 0, core.PriorityNormal)
		p, _ := core.ReadPriority(core.Native(), 0)
		self, _ := os.Executable()
		child := exec.Command(self)
		child.Env = append(os.Environ(), choreVariable+"=priority")
		out, _ := child.Output()
		fmt.Printf("%s %d %s", core.StatusOf(err), int(p), out)
	},
	// desktop shows whether it can write the clipboard.
	"desktop": func([]string) {
		user32 := windows.NewLazySystemDLL("user32.dll")
		opened, _, _ := user32.NewProc("OpenClipboard").Call(0)
		emptied, _, _ := user32.NewProc("EmptyClipboard").Call()
		fmt.Print(opened != 0 && emptied != 0)
	},
	"where": func([]string) {
		dir, _ := os.Getwd()
		fmt.Printf("%s\n%s\n%d", dir, os.Getenv("A"), len(os.Environ()))
	},
	"spin": func([]string) {
		for turns := 0; ; turns++ {
			_ = turns
		}
	},
	"fill": func(args []string) {
		var kept [][]byte
		for range number(args[0]) {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			kept = append(kept, block)
			time.Sleep(time.Millisecond)
		}
		fmt.Print(len(kept))
	},
	// host runs a job, tells its process id and waits to be killed.
	"host": func([]string) {
		self, err := os.Executable()
		if err != nil {
			panic(err)
		}
		j, err := New(core.Native(), []string{self})
		if err != nil {
			panic(err)
		}
		if err := j.SetEnvironment(append(os.Environ(), choreVariable+"=sleep")); err != nil {
			panic(err)
		}
		if err := j.Start(); err != nil {
			panic(err)
		}
		pid, err := j.PID()
		if err != nil {
			panic(err)
		}
		fmt.Println(pid)
		time.Sleep(time.Hour)
	},
	// family starts a number of sleepers, and ends without them.
	"family": func(args []string) {
		for range number(args[0]) {
			child := choreCommand("sleep")
			if err := child.Start(); err != nil {
				fmt.Println("refused")
				os.Exit(4)
			}
			fmt.Println(child.Process.Pid)
		}
		if len(args) > 1 {
			time.Sleep(time.Hour)
		}
	},
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func choreCommand(name string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), choreVariable+"="+name)
	return c
}
