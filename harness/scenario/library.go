package scenario

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/codastress/codastress/harness/nearest"
)

//go:embed library/*.yaml
var library embed.FS

// Library returns the scenarios that are built in, by name.
func Library() ([]Scenario, error) {
	names, err := libraryNames()
	if err != nil {
		return nil, err
	}
	var all []Scenario
	for _, name := range names {
		sc, err := builtIn(name)
		if err != nil {
			return nil, err
		}
		all = append(all, sc)
	}
	return all, nil
}

// Load finds a scenario: one of the library by its name, or any by the path of its file, which has a slash in it or ends in .yaml or
// .yml. With Names, unknown names in it are errors too. An error is an [*Error], [ErrUnknown] or of the file system.
func Load(nameOrPath string, known ...Names) (Scenario, error) {
	if isPath(nameOrPath) {
		text, err := os.ReadFile(nameOrPath)
		if err != nil {
			return Scenario{}, fmt.Errorf("reading the scenario: %w", err)
		}
		return Parse(nameOrPath, text, known...)
	}
	names, err := libraryNames()
	if err != nil {
		return Scenario{}, err
	}
	for _, name := range names {
		if name == nameOrPath {
			return builtIn(name, known...)
		}
	}
	return Scenario{}, unknownError{nearest.Unknown("scenario", nameOrPath, names)}
}

func isPath(text string) bool {
	return strings.Contains(text, "/") || strings.HasSuffix(text, ".yaml") || strings.HasSuffix(text, ".yml")
}

func libraryNames() ([]string, error) {
	files, err := fs.Glob(library, "library/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing the library of scenarios: %w", err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".yaml")
	}
	return files, nil
}

func builtIn(name string, known ...Names) (Scenario, error) {
	file := path.Join("library", name+".yaml")
	text, err := library.ReadFile(file)
	if err != nil {
		return Scenario{}, fmt.Errorf("reading a scenario of the library: %w", err)
	}
	return Parse(file, text, known...)
}

// An unknownError is ErrUnknown with a suggestion.
type unknownError struct{ text string }

func (e unknownError) Error() string { return e.text }

func (e unknownError) Is(target error) bool { return target == ErrUnknown }
