package harness

import (
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

func TestJudgeNamesTheChecksAndSurvivesABrokenOne(t *testing.T) {
	verdicts := Judge(&history.Run{}, []Check{
		{Name: "fine", Run: func(*history.Run) history.Verdict { return history.Verdict{Result: history.Pass} }},
		{Name: "broken", Run: func(*history.Run) history.Verdict { panic("an index out of range") }},
	})
	require.Len(t, verdicts, 2)
	require.Equal(t, "fine", verdicts[0].Check)
	require.Equal(t, history.Pass, verdicts[0].Result)
	require.Equal(t, "broken", verdicts[1].Check)
	require.Equal(t, history.Undecided, verdicts[1].Result)
	require.Contains(t, verdicts[1].Summary, "an index out of range")
	require.Contains(t, verdicts[1].Evidence[0].Text, "judge_test.go")
}
