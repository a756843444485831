package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/stretchr/testify/require"
)

func TestToxiproxysOwnClientSeesAndHurtsLinks(t *testing.T) {
	server, link, up := newTestLink(t)
	api := httptest.NewServer(server.API())
	t.Cleanup(api.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections) // the client package uses the default transport
	remote := toxiproxy.NewClient(api.URL)

	proxies, err := remote.Proxies()
	require.NoError(t, err)
	require.Equal(t, link.Listen, proxies["l"].Listen)
	require.Len(t, proxies["l"].ActiveToxics, 2)

	client := dial(t, link.Listen)
	peer := up.next(t)
	_, err = proxies["l"].AddToxic("slow", "latency", "upstream", 1, toxiproxy.Attributes{"latency": 30})
	require.NoError(t, err)
	start := time.Now()
	send(t, client, "late")
	receive(t, peer, "late")
	require.GreaterOrEqual(t, time.Since(start), 30*time.Millisecond)

	set(t, server, State{Up: Hold})
	send(t, client, "held and late")
	silent(t, peer)
	set(t, server, State{})
	receive(t, peer, "held and late")
	require.NoError(t, proxies["l"].RemoveToxic("slow"))
	send(t, client, "quick")
	receive(t, peer, "quick")

	require.ErrorContains(t, proxies["l"].RemoveToxic("gate_upstream"), "403")
	require.ErrorContains(t, remote.ResetState(), "403")
	require.ErrorContains(t, proxies["l"].Delete(), "403")
}
