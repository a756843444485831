package scenario

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
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
		sc, err := Load(name)
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
	sc, _, err := Read(nameOrPath, known...)
	return sc, err
}

// Read is Load, and gives the text that the scenario is from, for what turns out to be wrong later.
func Read(nameOrPath string, known ...Names) (Scenario, Source, error) {
	if isPath(nameOrPath) {
		text, err := os.ReadFile(nameOrPath)
		if err != nil {
			return Scenario{}, Source{}, fmt.Errorf("reading the scenario: %w", err)
		}
		return read(nameOrPath, text, known...)
	}
	text, err := LibraryFile(nameOrPath)
	if err != nil {
		return Scenario{}, Source{}, err
	}
	return read(libraryPath(nameOrPath), text, known...)
}

// LibraryFile is the text of a scenario of the library, or ErrUnknown.
func LibraryFile(name string) ([]byte, error) {
	names, err := libraryNames()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, unknownError{nearest.Unknown("scenario", name, names)}
	}
	text, err := library.ReadFile(libraryPath(name))
	if err != nil {
		return nil, fmt.Errorf("reading a scenario of the library: %w", err)
	}
	return text, nil
}

func libraryPath(name string) string { return path.Join("library", name+".yaml") }

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

// An unknownError is ErrUnknown with a suggestion.
type unknownError struct{ text string }

func (e unknownError) Error() string { return e.text }

func (e unknownError) Is(target error) bool { return target == ErrUnknown }
