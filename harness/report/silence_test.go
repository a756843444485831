package report

import (
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestLongestSilence(t *testing.T) {
	type times = []history.Time
	tests := []struct {
		name               string
		invoked, completed times
		from, till         history.Time
	}{
		{"nothing was done", nil, nil, 0, 0},
		{"one call", times{5}, times{9}, 5, 9},
		{"idle time is no silence", times{1, 50}, times{2, 53}, 50, 53},
		{"a call that returns while another is pending", times{0, 10}, times{30, 20}, 0, 20},
		{"calls that all wait for the same thing", times{10, 11, 12}, times{40, 41, 42}, 10, 40},
		{"a call that never returned", times{10, 20}, times{12, 0}, 20, 100},
		{"a call that never returned beside one that did", times{10, 20}, times{0, 90}, 10, 90},
		{"the order of the calls does not matter", times{50, 1}, times{53, 2}, 50, 53},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := longestSilence("client1", test.invoked, test.completed, 100)
			require.Equal(t, silence{"client1", test.from, test.till}, got)
		})
	}
}

// Every unit of time is looked at by itself: it is silent where a call is pending at its begin and none returns at it.
func TestLongestSilenceIsWhatLookingAtEveryMomentFinds(t *testing.T) {
	const end = 40
	rapid.Check(t, func(t *rapid.T) {
		var invoked, completed []history.Time
		for range rapid.IntRange(0, 8).Draw(t, "calls") {
			start := history.Time(rapid.IntRange(1, end-1).Draw(t, "start"))
			done := history.Time(0)
			if rapid.Bool().Draw(t, "returned") {
				done = start + history.Time(rapid.IntRange(1, 10).Draw(t, "took"))
				done = min(done, end)
			}
			invoked, completed = append(invoked, start), append(completed, done)
		}
		longest, current := history.Time(0), history.Time(0)
		for now := history.Time(0); now < end; now++ {
			pending, returned := false, false
			for i := range invoked {
				pending = pending || invoked[i] <= now && (completed[i] == 0 || completed[i] > now)
				returned = returned || completed[i] == now && now > 0
			}
			if returned || !pending {
				current = 0
			}
			if pending {
				current++
			}
			longest = max(longest, current)
		}
		require.Equal(t, longest, longestSilence("", invoked, completed, end).length())
	})
}
