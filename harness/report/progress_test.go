package report_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/report"
	"github.com/stretchr/testify/require"
)

var partition = history.Step{Number: 3, Name: "partition", Nodes: []string{"client2", "server1"}, Length: 2 * time.Second}

// play tells a progress what a run would tell it.
func play(p *report.Progress) {
	p.Phase("starting the cluster")
	time.Sleep(2100 * time.Millisecond)
	p.Phase("loading")
	for i := range 10 {
		p.Chunk(chunk("client1", 50))
		p.Chunk(chunk("client2", 10))
		if i == 3 {
			p.FaultInjecting(partition)
		}
		time.Sleep(500 * time.Millisecond)
	}
	p.FaultRecovered(history.Fault{Step: 3, Name: "partition", Nodes: partition.Nodes, Proof: "no answer for 700 ms"})
	for _, file := range []string{"www/a", "www/b", "www/c", "www/d", "www/e"} {
		p.Stall(history.Stall{
			Node: "client2", Kind: history.Read, Path: file, Invoked: 1, Seen: 1 + history.Time(10*time.Second), Files: []string{"nodes/client2/hang/venus.stacks"},
		})
	}
	time.Sleep(300 * time.Millisecond)
	p.Close()
}

func TestProgressIsLoggedPlainlyWhereThereIsNoTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		play(report.NewProgress(&out, report.ProgressOptions{Clients: []string{"client1", "client2"}}))
		require.Equal(t, `   0.0 s  starting the cluster
   2.1 s  loading
   3.6 s  fault: partition client2 server1, for 2.00 s
   5.0 s  loading  client1 60/s  client2 12/s  ! partition client2 server1
   7.1 s  healed: partition client2 server1 (no answer for 700 ms)
   7.1 s  stuck: read of www/a on client2 has not returned for 10.0 s: see nodes/client2/hang
   7.1 s  stuck: read of www/b on client2 has not returned for 10.0 s: see nodes/client2/hang
   7.1 s  stuck: read of www/c on client2 has not returned for 10.0 s: see nodes/client2/hang
`, out.String())
	})
}

func TestProgressIsDrawnOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		play(report.NewProgress(&out, report.ProgressOptions{Terminal: true, Width: 60, Clients: []string{"client1", "client2"}}))
		text := out.String()
		require.Contains(t, text, "loading  client1 100/s  client2 20/s  ! partitio…\r\x1b[2K")
		require.Contains(t, text, "   7.4 s  loading  client1 100/s  client2 20/s  5 stuck")
		require.True(t, strings.HasSuffix(text, "\r\x1b[2K"), "nothing is left of the status line")
		for line := range strings.SplitSeq(text, "\n") {
			for drawn := range strings.SplitSeq(line, "\r\x1b[2K") {
				if strings.Contains(drawn, "/s") {
					require.Less(t, len([]rune(drawn)), 60, drawn)
				}
			}
		}
	})
}

func TestProgressOfManyClientsNamesTheSlowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := report.NewProgress(&out, report.ProgressOptions{Clients: []string{"client1", "client2", "client3", "client4", "client5"}})
		p.Phase("loading")
		for i, client := range []string{"client1", "client2", "client3", "client4", "client5"} {
			p.Chunk(chunk(client, 50-10*i))
		}
		time.Sleep(5500 * time.Millisecond)
		p.Close()
		require.Contains(t, out.String(), "loading  30/s, slowest client5 2/s\n")
	})
}
