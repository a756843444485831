package cluster

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func validSpec(t *testing.T) Spec {
	return Spec{RunID: NewRunID(), Dir: t.TempDir(), Servers: 2, Clients: 2, Mount: MountDirect, Binary: "/bin/false"}
}

func TestSpecsThatCannotBe(t *testing.T) {
	for name, spoil := range map[string]func(*Spec){
		"no name":            func(s *Spec) { s.RunID = "" },
		"a path for a name":  func(s *Spec) { s.RunID = "../../etc" },
		"no directory":       func(s *Spec) { s.Dir = "" },
		"no executable":      func(s *Spec) { s.Binary = "" },
		"no server":          func(s *Spec) { s.Servers = 0 },
		"no client":          func(s *Spec) { s.Clients = 0 },
		"too many clients":   func(s *Spec) { s.Clients = maxNodes + 1 },
		"an unknown mount":   func(s *Spec) { s.Mount = "nfs" },
		"time runs backward": func(s *Spec) { s.TimeScale = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			spec := validSpec(t)
			_, err := newPlaced(spec)
			require.NoError(t, err)
			spoil(&spec)
			_, err = Start(t.Context(), spec, nil)
			require.ErrorIs(t, err, ErrSpec)
		})
	}
}

func TestLinksAreFromClientsToServersAndBetweenServers(t *testing.T) {
	c, err := newPlaced(validSpec(t))
	require.NoError(t, err)
	var names []string
	for _, link := range c.Links() {
		names = append(names, link.From()+" "+link.To())
	}
	require.Equal(t, []string{
		"server1 server2", "server2 server1", "client1 server1", "client1 server2", "client2 server1", "client2 server2",
	}, names)
	_, err = c.Link("client1", "client2")
	require.ErrorContains(t, err, "no link")
	require.Len(t, c.Nodes(), 5)
	require.Len(t, c.SystemNodes(), 4)
	require.Equal(t, "client1", c.Clients()[0].Name())
	require.Equal(t, RoleProxy, c.relay.Role())
}

// fakeDriver is available or not, and prepares nothing.
type fakeDriver struct {
	name string
	why  error
}

func (d fakeDriver) Name() string                    { return d.name }
func (d fakeDriver) Available(context.Context) error { return d.why }
func (d fakeDriver) Prepare(context.Context, Ground) (Site, error) {
	return nil, errors.New("no ground")
}

func TestChoose(t *testing.T) {
	first, second := fakeDriver{name: "first"}, fakeDriver{name: "second"}
	chosen, why, err := Choose(t.Context(), first, second)
	require.NoError(t, err)
	require.Equal(t, first, chosen)
	require.Equal(t, "runtime first", why)

	first.why = errors.New("nobody is there")
	chosen, why, err = Choose(t.Context(), first, second)
	require.NoError(t, err)
	require.Equal(t, second, chosen)
	require.Equal(t, "runtime second, since first cannot be used: nobody is there", why)

	second.why = errors.New("nor here")
	_, _, err = Choose(t.Context(), first, second)
	require.ErrorIs(t, err, ErrNoDriver)
	require.ErrorContains(t, err, "nobody is there")
	require.ErrorContains(t, err, "nor here")
}

func TestAFailedPreparationLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	spec := validSpec(t)
	_, err := Start(t.Context(), spec, fakeDriver{name: "fake"})
	require.ErrorIs(t, err, ErrStart)
	require.ErrorContains(t, err, "no ground")
	found, err := LeftoversOf(t.Context(), spec.RunID)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestConfigurations(t *testing.T) {
	config := NodeConfig{
		RunID: "abcd", Name: "client1", Role: RoleClient, Listen: "127.1.2.3:2430", Patience: patience,
		Servers: []Peer{{Name: "server1", Address: "127.1.2.130:2600"}},
	}
	text, err := config.marshal()
	require.NoError(t, err)
	again, err := ParseNodeConfig(text)
	require.NoError(t, err)
	require.Equal(t, config, again)
	for _, wrong := range []string{"", "{", "[]", "{}", `{"name":"client1"}`} {
		_, err := ParseNodeConfig(wrong)
		require.ErrorContains(t, err, NodeVariable, wrong)
	}
}

func TestRunNames(t *testing.T) {
	one, other := NewRunID(), NewRunID()
	require.NotEqual(t, one, other)
	require.Regexp(t, "^[a-z0-9]{10}$", one)
	require.Equal(t, []string{"client1", "client2"}, ClientNames(2))
	require.Equal(t, []string{"server1"}, ServerNames(1))
}
