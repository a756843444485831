package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// added is the file that the runtime gets; the folder's name keeps the go command from taking it for a package.
//
//go:embed _runtime/seeded.go
var added []byte

func main() {
	optional := flag.Bool("optional", false, "where the edits do not fit, say so, print no flags and end with status 0")
	flag.Parse()
	folder := filepath.Join("bin", "overlay")
	if flag.NArg() > 0 {
		folder = flag.Arg(0)
	}
	description, err := generate(folder)
	if errors.Is(err, errUnfit) && *optional {
		fmt.Fprintln(os.Stderr, "overlay: built without the seeded runtime:", err)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
	fmt.Printf("-overlay=%s -tags=runtimeseed\n", description)
}

// errUnfit is for a Go distribution that the edits are not made for.
var errUnfit = errors.New("the edits are made for another version of Go")

// generate writes the edited files and overlay.json, of which it returns the absolute path.
func generate(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("the folder of the overlay: %w", err)
	}
	root, version, err := distribution()
	if err != nil {
		return "", err
	}
	files, err := edited(filepath.Join(root, "src"), edits())
	if err != nil {
		return "", fmt.Errorf("%s: %w", version, err)
	}
	files["runtime/codastress_seeded.go"] = added
	return write(folder, filepath.Join(root, "src"), files)
}

// distribution is the root folder and the version of the Go distribution that builds.
func distribution() (root, version string, err error) {
	out, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return "", "", fmt.Errorf("ask the go command for its distribution: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 {
		return "", "", fmt.Errorf("ask the go command for its distribution: unexpected answer %q", out)
	}
	return lines[0], lines[1], nil
}

// edited are the contents of the files below source that the edits change, by their path there.
func edited(source string, edits []edit) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, e := range edits {
		content, ok := files[e.file]
		if !ok {
			var err error
			if content, err = os.ReadFile(filepath.Join(source, e.file)); err != nil {
				return nil, fmt.Errorf("%w: read what is to be edited: %w", errUnfit, err)
			}
		}
		content, err := e.apply(content)
		if err != nil {
			return nil, err
		}
		files[e.file] = content
	}
	return files, nil
}

func (e edit) apply(content []byte) ([]byte, error) {
	anchor := []byte(e.anchor)
	if n := bytes.Count(content, anchor); n != 1 {
		return nil, fmt.Errorf("%w: %s has this text %d times, not once: %q", errUnfit, e.file, n, e.anchor)
	}
	return bytes.Replace(content, anchor, []byte(e.before+e.anchor+e.after), 1), nil
}

// write stores the files in the folder, and overlay.json, which has each stand for the one of the distribution.
func write(folder, source string, files map[string][]byte) (string, error) {
	replace := map[string]string{}
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		replace[filepath.Join(source, filepath.FromSlash(name))] = path
		if err := store(path, content); err != nil {
			return "", err
		}
	}
	description, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("describe the overlay: %w", err)
	}
	// A module of its own, so that the go command takes the folder for no part of the module that it lies in.
	if err := store(filepath.Join(folder, "go.mod"), []byte("module overlay\n")); err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, store(path, append(description, '\n'))
}

// store writes a file in one step, and only if its content is another: a build that reads the folder meanwhile sees whole files.
func store(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", path, err)
	}
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
