package venus_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
)

func TestEveryConstantSaysWhatItIsFor(t *testing.T) {
	for _, c := range venus.Constants(coda.Modern) {
		require.NotEmpty(t, c.Doc, c.Name)
	}
}

func TestWhatIsSetIsNotScaled(t *testing.T) {
	config := venus.Config{Timing: venus.TimingOf(coda.Modern).Scaled(10)}
	require.NoError(t, config.SetConstants(map[string]string{"ping": "2s", "cache_objects": "300"}))
	require.Equal(t, 2*time.Second, config.Timing.Ping)
	require.Equal(t, 400*time.Millisecond, config.Timing.Dead)
	require.Equal(t, venus.Limits{CacheObjects: 300}, config.Limits, "what follows from it is still open")
}
