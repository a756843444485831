package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/report"
)

// terminalWidth is the width of the terminal that w is, 0 where it is none.
func terminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// terminalOptions fit a summary to where it is printed.
func terminalOptions(w io.Writer) report.Options {
	width := terminalWidth(w)
	return report.Options{Color: width > 0 && os.Getenv("NO_COLOR") == "", Width: width}
}

// progressOn says what is about to be run, and begins to show how it goes on.
func progressOn(w io.Writer, request harness.Request, why string) (*report.Progress, error) {
	fmt.Fprintf(w, "%s with %d clients, seed %d, mount %s, %s\n",
		request.Scenario.Name, request.Scenario.Clients, request.Seed, request.Mount, why)
	if err := report.Plan(w, request.Plan); err != nil {
		return nil, fmt.Errorf("printing the plan: %w", err)
	}
	width := terminalWidth(w)
	return report.NewProgress(w, report.ProgressOptions{
		Terminal: width > 0, Width: width, Clients: cluster.ClientNames(request.Scenario.Clients),
	}), nil
}

// writeReports writes everything that is made from the record and the verdicts into the run directory, and returns the files.
func writeReports(dir string, result report.Result) ([]string, error) {
	var files []string
	for _, one := range []struct {
		name  string
		write func(io.Writer, report.Result) error
	}{
		{harness.ResultFile, report.JSON}, {harness.JUnitFile, report.JUnit}, {harness.ReportFile, report.HTML},
	} {
		path := filepath.Join(dir, one.name)
		if err := writeFile(path, func(w io.Writer) error { return one.write(w, result) }); err != nil {
			return files, err
		}
		files = append(files, path)
	}
	return files, nil
}

// errReport says that a report could not be written. The record and its verdict stand.
var errReport = errors.New("a report is missing")

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errReport, err)
	}
	err = write(file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		_ = os.Remove(path) // a part of a report would be read as all of it
		return fmt.Errorf("%w: %w", errReport, err)
	}
	return nil
}
