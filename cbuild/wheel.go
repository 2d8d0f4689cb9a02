package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// packaged is a library that a Python wheel is made of.
type packaged struct {
	name    string // of its directory below build/cross
	library string // file name
	tag     string // of the platform, as wheels name it
}

// wheelTargets are the libraries that have wheels: one for both of Apple's processors.
func wheelTargets() (all []packaged) {
	underscored := strings.NewReplacer(".", "_").Replace
	for _, t := range targets {
		p := packaged{name: t.name(), library: t.library}
		switch t.goos {
		case "linux":
			architecture := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[t.goarch]
			p.tag = "manylinux_" + underscored(oldestGlibc) + "_" + architecture
		case "windows":
			p.tag = "win_" + t.goarch
		case "darwin":
			p.name, p.tag = universalName, "macosx_"+underscored(oldestMacOS)+"_universal2"
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// wheels makes wheels of the libraries in the directory from, of those named or of all, by pip and setuptools.
func wheels(root, from, out string, names []string) error {
	known := []string{}
	for _, p := range wheelTargets() {
		known = append(known, p.name)
	}
	if err := checkNames(names, known); err != nil {
		return err
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	for _, p := range wheelTargets() {
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		file, err := wheel(root, filepath.Join(from, p.name, p.library), out, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Println(file)
	}
	return nil
}

func wheel(root, library, out string, p packaged) (string, error) {
	stage, err := os.MkdirTemp("", "libmimir-wheel-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage)
	if err := stagePackage(root, stage); err != nil {
		return "", err
	}
	content, err := os.ReadFile(library)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(stage, "libmimir", p.library), content, 0o755); err != nil {
		return "", err
	}
	made := filepath.Join(stage, "made")
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	pip := exec.Command(python, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", made,
		"--config-settings=--build-option=--plat-name="+p.tag, stage)
	pip.Stdout, pip.Stderr = os.Stderr, os.Stderr
	if err := pip.Run(); err != nil {
		return "", fmt.Errorf("pip wheel: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(made, "*.whl"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("pip made %d wheels (%v)", len(files), err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return "", err
	}
	if err := checkWheel(filepath.Base(files[0]), text, p, content); err != nil {
		return "", err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(out, filepath.Base(files[0]))
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return "", err
	}
	return file, os.Rename(file+".new", file)
}

// stagePackage copies what a wheel is made of, without what stands beside it in a place where somebody works.
func stagePackage(root, stage string) error {
	if err := copyFile(filepath.Join(root, "LICENSE"), filepath.Join(stage, "LICENSE")); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(root, "python/pyproject.toml"), filepath.Join(stage, "pyproject.toml")); err != nil {
		return err
	}
	for _, pattern := range []string{"libmimir/*.py", "libmimir/cli/*.py", "libmimir/py.typed"} {
		files, err := filepath.Glob(filepath.Join(root, "python", pattern))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("nothing is like python/%s (%v)", pattern, err)
		}
		for _, file := range files {
			relative, err := filepath.Rel(filepath.Join(root, "python"), file)
			if err != nil {
				return err
			}
			if err := copyFile(file, filepath.Join(stage, relative)); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// checkWheel looks into a wheel: it is for its platform, holds that platform's library and no other, and is typed.
func checkWheel(name string, wheel []byte, p packaged, library []byte) error {
	if !strings.HasSuffix(name, "-py3-none-"+p.tag+".whl") {
		return fmt.Errorf("%s is not for Python 3 on %s", name, p.tag)
	}
	files, err := zip.NewReader(bytes.NewReader(wheel), int64(len(wheel)))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	content := map[string][]byte{}
	for _, file := range files.File {
		opened, err := file.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text, err := io.ReadAll(opened)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, file.Name, err)
		}
		content[file.Name] = text
	}
	if !bytes.Equal(content["libmimir/"+p.library], library) {
		return fmt.Errorf("%s does not hold the library", name)
	}
	for file := range content {
		extension := path.Ext(file)
		if slices.Contains([]string{".so", ".dylib", ".dll", ".pyd"}, extension) && file != "libmimir/"+p.library {
			return fmt.Errorf("%s holds %s", name, file)
		}
	}
	for _, file := range []string{"libmimir/py.typed", "libmimir/_bindings.py", "libmimir/cli/__init__.py"} {
		if _, there := content[file]; !there {
			return fmt.Errorf("%s does not hold %s", name, file)
		}
	}
	return nil
}
