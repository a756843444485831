package history_test

import (
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

func TestConsistency(t *testing.T) {
	for _, test := range []struct {
		text     string
		longest  time.Duration
		bounded  bool
		sessions bool
	}{
		{"close-to-open", 0, true, true},
		{"session", 0, false, true},
		{"eventual=10s", 10 * time.Second, true, false},
		{"", 0, false, true},
	} {
		c, err := history.ParseConsistency(test.text)
		require.NoError(t, err)
		require.Equal(t, test.text, c.String())
		longest, bounded := c.Staleness()
		require.Equal(t, test.longest, longest, test.text)
		require.Equal(t, test.bounded, bounded, test.text)
		require.Equal(t, test.sessions, c.Sessions(), test.text)
		require.Equal(t, test.text == "", c.IsZero())
	}
	for _, text := range []string{"eventual", "eventual=", "eventual=10", "eventual=-1s", "eventual=0s", "session=1s", "close-to-open=", "strong"} {
		_, err := history.ParseConsistency(text)
		require.ErrorIs(t, err, history.ErrConsistency, text)
		require.ErrorContains(t, err, "eventual=10s")
	}
}

func TestOverallPassesOverWhatWasSkipped(t *testing.T) {
	skipped, pass, fail := history.Verdict{Result: history.Skipped}, history.Verdict{}, history.Verdict{Result: history.Fail}
	require.Equal(t, history.Pass, history.Overall([]history.Verdict{skipped, pass}))
	require.Equal(t, history.Fail, history.Overall([]history.Verdict{skipped, fail}))
	require.Equal(t, history.Undecided, history.Overall([]history.Verdict{skipped}), "nothing was decided")
	expected := fail
	expected.Expected = true
	require.Equal(t, history.Pass, history.Overall([]history.Verdict{skipped, expected}))

	var again history.Result
	for _, result := range []history.Result{history.Skipped, history.Pass, history.Undecided, history.Fail} {
		text, err := result.MarshalText()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalText(text))
		require.Equal(t, result, again)
	}
}
