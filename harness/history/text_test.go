package history_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

type texts struct {
	Kind    history.Kind    `json:"kind" yaml:"kind"`
	Outcome history.Outcome `json:"outcome" yaml:"outcome"`
	Result  history.Result  `json:"result" yaml:"result"`
	Nonce   history.Nonce   `json:"nonce" yaml:"nonce"`
}

func TestTextFormsRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for kind := history.Kind(0); kind <= history.ReadLink; kind++ {
		want := texts{kind, history.Outcome(kind % 4), history.Result(kind % 3), history.NewNonce(random)}
		text, err := json.Marshal(want)
		require.NoError(t, err)
		var got texts
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)

		text, err = yaml.Marshal(want)
		require.NoError(t, err)
		got = texts{}
		require.NoError(t, yaml.Unmarshal(text, &got))
		require.Equal(t, want, got)
	}
	require.Equal(t, "make-directory", history.MakeDirectory.String())
	require.Equal(t, "kind(77)", history.Kind(77).String())
	require.Equal(t, "undecided", history.Undecided.String())
}

func TestTextFormsThatAreNotKnownAreErrors(t *testing.T) {
	for _, text := range []string{`{"kind":"raed"}`, `{"outcome":"fine"}`, `{"result":""}`, `{"nonce":"12"}`, `{"nonce":"` + string(make([]byte, 32)) + `"}`} {
		require.Error(t, json.Unmarshal([]byte(text), &texts{}), text)
	}
}

func TestWorstVerdictWins(t *testing.T) {
	require.Equal(t, history.Undecided, history.Overall(nil))
	require.Equal(t, history.Pass, history.Overall([]history.Verdict{{Result: history.Pass}}))
	require.Equal(t, history.Undecided, history.Overall([]history.Verdict{{Result: history.Undecided}, {Result: history.Pass}}))
	require.Equal(t, history.Fail, history.Overall([]history.Verdict{{Result: history.Undecided}, {Result: history.Fail}, {Result: history.Pass}}))
}
