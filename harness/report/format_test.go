package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                 "0 s",
		250 * time.Microsecond:            "0.25 ms",
		1500 * time.Microsecond:           "1.5 ms",
		42 * time.Millisecond:             "42 ms",
		1234 * time.Millisecond:           "1.23 s",
		61 * time.Second:                  "61.0 s",
		3*time.Minute + 7*time.Second:     "3 min 7 s",
		-1500 * time.Millisecond:          "-1.50 s",
		2*time.Hour + 100*time.Nanosecond: "120 min 0 s",
	} {
		require.Equal(t, want, length(d))
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		require.Equal(t, want, count(n))
	}
}

func TestFigure(t *testing.T) {
	require.Equal(t, "1.235 s", figure(1.23456, "s"))
	require.Equal(t, "12,000 operations", figure(12000, "operations"))
	require.Equal(t, "7", figure(7, ""))
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, text string
		width      int
		want       []string
	}{
		{"as it is", "one two", 0, []string{"one two"}},
		{"wrapped", "one two three four five six", 20, []string{"one two three four", "five six"}},
		{"a word that is too long", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b", 20, []string{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b"}},
		{"lines of its own", "one\ntwo", 80, []string{"one", "two"}},
		{"nothing", "", 80, []string{""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, wrap(test.text, test.width))
		})
	}
}

func TestLegible(t *testing.T) {
	require.Equal(t, "a\uFFFDb\n\tc\uFFFD", legible("a\x01b\n\tc\xff"))
}
