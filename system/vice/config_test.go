package vice_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
)

func TestEveryConstantSaysWhatItIsFor(t *testing.T) {
	for _, c := range vice.Constants(coda.Modern) {
		require.NotEmpty(t, c.Doc, c.Name)
	}
}

func TestWhatIsSetIsNotScaled(t *testing.T) {
	config := vice.Config{Timing: vice.TimingOf(coda.Modern).Scaled(10)}
	require.NoError(t, config.SetConstants(map[string]string{"request": "30s", "password_time": "1"}))
	require.Equal(t, 30*time.Second, config.Timing.Request)
	require.Equal(t, time.Second, config.Timing.Lease)
	require.Equal(t, auth.Cost{Time: 1, Memory: auth.DefaultCost().Memory}, config.Limits.Password, "half a cost is none")
}

// A session must not end while a client still trusts what the server promised in it.
func TestSilenceFollowsALeaseThatIsSet(t *testing.T) {
	for profile, want := range map[coda.Profile]time.Duration{coda.Modern: time.Hour, coda.Coda69: 5 * time.Minute} {
		config := vice.Config{Profile: profile, Timing: vice.TimingOf(profile)}
		require.NoError(t, config.SetConstants(map[string]string{"lease": "30m"}))
		require.Equal(t, want, config.Timing.Silence, "%s", profile)
	}
	config := vice.Config{Timing: vice.TimingOf(coda.Modern)}
	require.NoError(t, config.SetConstants(map[string]string{"lease": "30m", "silence": "40m"}))
	require.Equal(t, 40*time.Minute, config.Timing.Silence)
}
