package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/report"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with testdata/NAME.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestReports(t *testing.T) {
	samples := map[string]func() report.Result{"pass": passing, "fail": failing, "undecided": undecided}
	writers := map[string]func(io.Writer, report.Result) error{
		"txt":  func(w io.Writer, r report.Result) error { return report.Terminal(w, r, report.Options{Width: 100}) },
		"json": report.JSON,
		"xml":  report.JUnit,
	}
	for name, sample := range samples {
		for kind, write := range writers {
			t.Run(name+"."+kind, func(t *testing.T) {
				var out bytes.Buffer
				require.NoError(t, write(&out, sample()))
				golden(t, name+"."+kind, out.Bytes())
			})
		}
	}
}

func TestComparison(t *testing.T) {
	expected := failing()
	expected.Verdicts = slices.Clone(expected.Verdicts)
	for i := range expected.Verdicts {
		expected.Verdicts[i].Expected = expected.Verdicts[i].Check == "no-hang"
	}
	runs := []report.Compared{{Name: "coda-6.1", Result: failing()}, {Name: "coda-6.9", Result: expected}, {Name: "modern", Result: passing()}, {Name: "none", Result: undecided()}}
	for kind, write := range map[string]func(io.Writer, []report.Compared) error{"txt": report.Compare, "json": report.CompareJSON} {
		var out bytes.Buffer
		require.NoError(t, write(&out, runs))
		golden(t, "compare."+kind, out.Bytes())
	}
}

func TestPageShowsWhatAPersonNeeds(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, report.HTML(&out, failing()))
	page := out.String()
	for _, text := range []string{
		"<title>fail: mass-delete, seed 4711</title>",
		"5 acknowledged removals are undone",
		"client3/2 #1007: remove www/site1/page-0007.html at 5.01 s, took 1.0 ms, ok",
		`<a href="nodes/client2/hang-client2/venus.goroutines">`,
		"client2 still got an answer from server1",
		`<svg viewBox=`,
		"nothing returned on client2 for 1.15 s, from 3.05 s on",
		"venus killed at 7.00 s, ready at 8.50 s",
		"codastress replay runs/20260301T120000.000-mass-delete-4711",
	} {
		require.Contains(t, page, text)
	}
	for _, text := range []string{"<b>", "\x01", "http://", "https://", "<script"} {
		require.NotContains(t, page, text)
	}
}

// The time line of a run is drawn from sums, so that the page of a long run is as large as that of a short one.
func TestPageDoesNotGrowWithTheOperations(t *testing.T) {
	var short, long bytes.Buffer
	result := passing()
	require.NoError(t, report.HTML(&short, result))
	many := operations()
	for i := range 200 {
		for _, op := range operations() {
			op.Invoked += history.Time(i)
			op.Completed += history.Time(i)
			many = append(many, op)
		}
	}
	result.Run = newRun(*result.Run, many)
	require.NoError(t, report.HTML(&long, result))
	require.Less(t, long.Len(), short.Len()*11/10)
}

func TestReportsCanBeReadByMachines(t *testing.T) {
	for _, sample := range []report.Result{passing(), failing(), undecided()} {
		var text bytes.Buffer
		require.NoError(t, report.JSON(&text, sample))
		require.True(t, json.Valid(text.Bytes()))

		for _, write := range []func(io.Writer, report.Result) error{report.JUnit, report.HTML} {
			text.Reset()
			require.NoError(t, write(&text, sample))
			decoder := xml.NewDecoder(&text)
			decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
			for {
				_, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
			}
		}
	}
}

func TestPlan(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, report.Plan(&out, plan()))
	golden(t, "plan.txt", out.Bytes())
	require.ErrorIs(t, report.Plan(full{}, plan()), io.ErrShortWrite)
}

func TestColorsAreOnlyForTerminals(t *testing.T) {
	var plain, colored bytes.Buffer
	require.NoError(t, report.Terminal(&plain, failing(), report.Options{}))
	require.NoError(t, report.Terminal(&colored, failing(), report.Options{Color: true}))
	require.NotContains(t, plain.String(), "\x1b")
	require.Contains(t, colored.String(), "\x1b[1;31mFAIL\x1b[0m")
}

// A writer that fails is a full disk.
func TestErrorsOfTheWriterAreReported(t *testing.T) {
	for _, write := range []func(io.Writer, report.Result) error{
		report.JSON, report.JUnit, report.HTML,
		func(w io.Writer, r report.Result) error { return report.Terminal(w, r, report.Options{}) },
	} {
		require.ErrorIs(t, write(full{}, passing()), io.ErrShortWrite)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Each kind of report is made from a record of a million operations.
func BenchmarkReports(b *testing.B) {
	const number = 1_000_000
	many := make([]history.Operation, 0, number)
	sample := operations()
	for i := range number {
		op := sample[i%len(sample)]
		op.Invoked += history.Time(i)
		op.Completed += history.Time(i)
		many = append(many, op)
	}
	result := passing()
	result.Run = newRun(*result.Run, many)
	for name, write := range map[string]func(io.Writer, report.Result) error{
		"terminal": func(w io.Writer, r report.Result) error { return report.Terminal(w, r, report.Options{}) },
		"json":     report.JSON, "junit": report.JUnit, "html": report.HTML,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, write(io.Discard, result))
			}
			b.ReportMetric(number*float64(b.N)/b.Elapsed().Seconds(), "operations/s")
		})
	}
}
