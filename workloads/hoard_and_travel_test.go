package workloads

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

// hangingHoard has a walk that does not return.
type hangingHoard struct{}

func (hangingHoard) Add(ctx context.Context, _ string) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// wholeHoard has everything at hand but for some objects.
type wholeHoard struct {
	missing int
	err     error
	hoarded []string
}

func (h *wholeHoard) Add(_ context.Context, path string) (int, error) {
	h.hoarded = append(h.hoarded, path)
	return h.missing, h.err
}

func TestHoardAndTravel(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	hoard := &wholeHoard{}
	b.Hoard = hoard
	steps := slices.DeleteFunc(tiny(t, HoardAndTravel{}, "edited", "5"), func(step history.Step) bool { return step.Task == taskFetchPages })
	loads := map[string]history.Load{}
	for _, step := range steps {
		done, err := HoardAndTravel{}.Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
		loads[step.Task] = done
	}
	require.Len(t, hoard.hoarded, 1)
	require.Equal(t, steps[0].Args["root"], hoard.hoarded[0])
	require.Equal(t, []uint64{30, 30}, []uint64{loads[taskHoard].Done, loads[taskHoard].Wanted})
	require.Equal(t, []uint64{35, 35}, []uint64{loads[taskTravel].Done, loads[taskTravel].Wanted})
	operations := b.recorded(t)
	requireSound(t, operations)
	require.EqualValues(t, 30, count(operations, history.Read, history.OK), "nothing is read before it is hoarded")
	require.EqualValues(t, 35, count(operations, history.Write, history.OK))

	i := slices.IndexFunc(steps, func(step history.Step) bool { return step.Task == taskHoard })
	hoard.missing = 4
	done, err := HoardAndTravel{}.Do(t.Context(), steps[i], b.Environment)
	require.NoError(t, err)
	require.EqualValues(t, 26, done.Done)
	hoard.err = errors.New("no server")
	_, err = HoardAndTravel{}.Do(t.Context(), steps[i], b.Environment)
	require.ErrorIs(t, err, hoard.err)
	b.Hoard = nil
	_, err = HoardAndTravel{}.Do(t.Context(), steps[i], b.Environment)
	require.ErrorContains(t, err, "hoards nothing")

	_, err = HoardAndTravel{}.Plan(with("edited", "9", "pages", "8", "directories", "1", "large", "0"))
	require.ErrorContains(t, err, "parameter edited: 9 is not a number from 1 to the number of pages, 8")
}
