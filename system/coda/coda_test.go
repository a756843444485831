package coda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
)

func TestFidText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := coda.Fid{Volume: rapid.Uint32().Draw(t, "volume"), Vnode: rapid.Uint64().Draw(t, "vnode"), Unique: rapid.Uint64().Draw(t, "unique")}
		g, err := coda.ParseFid(f.String())
		require.NoError(t, err)
		require.Equal(t, f, g)
		require.Equal(t, 0, f.Compare(g))
	})
	for _, bad := range []string{"", "1.2", "1.2.3.4", "01.2.3", "A.2.3", "1..3", "+1.2.3", "100000000.1.1", "1.2.10000000000000000", " 1.2.3"} {
		_, err := coda.ParseFid(bad)
		require.ErrorIs(t, err, coda.Invalid, bad)
	}
}

func TestNewFid(t *testing.T) {
	for _, kind := range []coda.ObjectKind{coda.File, coda.Directory, coda.Symlink} {
		f := coda.NewFid(7, 12, kind)
		require.True(t, kind.Matches(f))
		require.EqualValues(t, 12, f.Number())
	}
	require.Equal(t, coda.Fid{Volume: 7, Vnode: 1, Unique: 1}, coda.RootFid(7))
	require.False(t, coda.Directory.Matches(coda.NewFid(7, 12, coda.File)))
	require.False(t, coda.ObjectKind(0).Matches(coda.Fid{}))
	require.Zero(t, coda.Fid{Volume: 7, Vnode: 100, Unique: 3}.Number())
}

func TestCompareIsAPartialOrder(t *testing.T) {
	vector := rapid.Custom(func(t *rapid.T) (v coda.VersionVector) {
		v.Slots[0] = rapid.Uint64Range(0, 3).Draw(t, "slot 0")
		v.Slots[7] = rapid.Uint64Range(0, 3).Draw(t, "slot 7")
		v.Store.Number = rapid.Uint64Range(0, 2).Draw(t, "store")
		return v
	})
	mirror := map[coda.Comparison]coda.Comparison{
		coda.Equal: coda.Equal, coda.Dominant: coda.Submissive, coda.Submissive: coda.Dominant, coda.Inconsistent: coda.Inconsistent,
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := vector.Draw(t, "a"), vector.Draw(t, "b"), vector.Draw(t, "c")
		require.Equal(t, mirror[a.Compare(b)], b.Compare(a))
		require.Equal(t, a.Slots == b.Slots, a.Compare(b) == coda.Equal)
		if a.Compare(b) == coda.Dominant && b.Compare(c) == coda.Dominant {
			require.Equal(t, coda.Dominant, a.Compare(c))
		}
		require.Equal(t, a.Store.Number != 0 && a.Store == b.Store, a.WeaklyEqual(b))
	})
}

func TestValidName(t *testing.T) {
	for _, good := range []string{"a", "...", "a b", "\xff\xfe", "caf\xe9", "@sys", strings.Repeat("x", 255)} {
		require.NoError(t, coda.ValidName(good))
	}
	for _, bad := range []string{"", ".", "..", "a/b", "/", "a\x00"} {
		require.ErrorIs(t, coda.ValidName(bad), coda.Invalid)
	}
	require.ErrorIs(t, coda.ValidName(strings.Repeat("x", 256)), coda.NameTooLong)
	require.NoError(t, coda.ValidTarget("../a/b"))
	require.ErrorIs(t, coda.ValidTarget(""), coda.Invalid)
	require.ErrorIs(t, coda.ValidTarget(strings.Repeat("x", 4096)), coda.NameTooLong)
}

func TestErrorKinds(t *testing.T) {
	cause := fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)
	err := fmt.Errorf("opening: %w", &coda.Error{Op: "fetch 1.2.3", Kind: coda.NotFound, Err: cause})
	require.ErrorIs(t, err, coda.NotFound)
	require.NotErrorIs(t, err, coda.Exists)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, coda.NotFound, coda.KindOf(err))
	require.Equal(t, coda.Exists, coda.KindOf(fmt.Errorf("x: %w", coda.Exists)))
	require.Equal(t, coda.TimedOut, coda.KindOf(context.DeadlineExceeded))
	require.Equal(t, coda.IO, coda.KindOf(errors.New("x")))
	require.Zero(t, coda.KindOf(nil))
	seen := map[string]bool{}
	for k := coda.ErrorKind(1); k <= coda.MaxErrorKind; k++ {
		require.NotContains(t, k.Error(), "error kind", "kind %d has no text", k)
		require.False(t, seen[k.Error()])
		seen[k.Error()] = true
	}
}

// A directory's digest tells which updates it has seen, and nothing of their order.
func TestDigestsOfUpdates(t *testing.T) {
	one, other := coda.StoreID{Client: coda.ClientID{1}, Number: 7}, coda.StoreID{Client: coda.ClientID{2}, Number: 7}
	both := coda.Digest{}.After(one).After(other)
	require.Equal(t, both, coda.Digest{}.After(other).After(one))
	require.NotEqual(t, both, coda.Digest{}.After(one))
	require.NotEqual(t, both, both.After(one))
}

func TestTimesEndAtTheLimits(t *testing.T) {
	for _, test := range []struct {
		year int
		want coda.Time
	}{{1, math.MinInt64}, {1600, math.MinInt64}, {2300, math.MaxInt64}, {9999, math.MaxInt64}} {
		require.Equal(t, test.want, coda.TimeOf(time.Date(test.year, 1, 1, 0, 0, 0, 0, time.UTC)), test.year)
	}
	for _, n := range []coda.Time{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		require.Equal(t, n, coda.TimeOf(n.Standard()))
	}
}
