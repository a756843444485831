package checks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

func verdictOf(t *testing.T, name, text string) history.Verdict {
	t.Helper()
	for _, check := range checks.All() {
		if check.Name == name {
			return check.Run(parse(t, text))
		}
	}
	require.Fail(t, "no such check", name)
	return history.Verdict{}
}

// kinds are the operations of an evidence in a few words.
func kinds(e history.Evidence) []string {
	var all []string
	for _, op := range e.Operations {
		all = append(all, fmt.Sprint(op.Node, " ", op.Kind, " ", op.Path))
	}
	return all
}

func TestEvidenceOfALostWriteIsWhatReplacedItAndTheFaultThatFollowed(t *testing.T) {
	v := verdictOf(t, "no-lost-data", `
client1/1 1..2 write d/a A
client2/1 3..4 write d/a B parents=A
client2/1 3..4 write d/b C
fault 7 partition 0.1..0.2 cuts=client1-server1
fault 8 kill-codasrv 5..6 cuts=server1
fault 9 kill-venus 7..8 cuts=client1
observe client1 mount 20
  d/a file A
  d/b file C
observe client2 mount 20
  d/a file A
  d/b file C
observe server1 server 20
  d/a file A
  d/b file C
`)
	require.Len(t, v.Evidence, 1)
	require.Equal(t, []string{"client1 write d/a", "client2 write d/a"}, kinds(v.Evidence[0]))
	require.Equal(t, []int{8}, v.Evidence[0].Faults)
	require.Equal(t, "d/a on server1 has an old content: a later write on client2 was acknowledged", v.Summary)
}

func TestEvidenceOfAnUndoneRemoval(t *testing.T) {
	v := verdictOf(t, "no-lost-data", `
client1/1 1..2 write d/a A
client2/1 3..4 remove d/a
fault 3 pause-venus 3.5..6 cuts=client2
fault 4 pause-venus 8..9 cuts=client2
observe client1 mount 20
  d/a file A
observe client2 mount 20
  d/a file A
observe server1 server 20
  d/a file A
`)
	require.Equal(t, []string{"client1 write d/a", "client2 remove d/a"}, kinds(v.Evidence[0]))
	require.Equal(t, []int{3}, v.Evidence[0].Faults)
	require.Equal(t, "d/a is on server1 although its removal on client2 was acknowledged, and nobody made it again", v.Summary)
}

func TestEvidenceOfAHangHasTheFilesOfItsStall(t *testing.T) {
	v := verdictOf(t, "no-hang", `
client1/1 1..- read d/a abandoned=21
client1/2 1..- read d/b abandoned=21
stall client1 read d/a 1 seen=12 file=nodes/client1/hang/venus.goroutines
fault 3 partition 2..5 cuts=client1-server1
`)
	require.Len(t, v.Evidence, 2)
	require.Equal(t, []string{"nodes/client1/hang/venus.goroutines"}, v.Evidence[0].Files)
	require.Equal(t, []int{3}, v.Evidence[0].Faults)
	require.Empty(t, v.Evidence[1].Files)
	require.Equal(t, "read d/a on client1 had not returned after 20s, and may take 10s, and 1 more", v.Summary)
	require.Contains(t, v.Figures, history.Figure{Name: "longest call", Value: 20, Unit: "s"})
	require.Contains(t, v.Figures, history.Figure{Name: "never returned", Value: 2, Unit: "calls"})
}

func TestEvidenceOfADivergenceHasTheFilesOfTheNodesThatDiffer(t *testing.T) {
	v := verdictOf(t, "convergence", `
client1/1 1..2 write d/a A
observe client1 mount 15 file=nodes/client1/diverged/venus.state.txt
  d/a file A
observe client2 mount 15 file=nodes/client2/diverged/venus.state.txt
observe server1 server 15 file=nodes/server1/diverged/codasrv.state.txt
  d/a file A
`)
	require.Len(t, v.Evidence, 1)
	require.Equal(t, []string{
		"nodes/client2/diverged/venus.state.txt", "nodes/server1/diverged/codasrv.state.txt", "nodes/client1/diverged/venus.state.txt",
	}, v.Evidence[0].Files)
}

func TestEvidenceOfADivergenceIsWhatEachClientChangedLast(t *testing.T) {
	v := verdictOf(t, "convergence", `
client1/1 1..2 write d/a A
client2/1 3..4 write d/a B
client1/1 3..6 rename d/c d/a
client2/1 7..8 remove d/a failed=ENOENT
client2/1 7..8 write d/b C
client1/1 1..2 make-directory e
client1/1 1..3 read e/x D
observe client1 mount 15
  d/a file A
observe client2 mount 15
observe server1 server 15
  d/a file A
  e/x file D
`)
	require.Len(t, v.Evidence, 3)
	require.Equal(t, "e/x is on server1 and not on client1, 7s after everything was healed, and 2 more", v.Summary)
	all := map[string][]string{}
	for _, evidence := range v.Evidence {
		name, _, _ := strings.Cut(evidence.Text, " ")
		all[name] = kinds(evidence)
	}
	require.Equal(t, map[string][]string{
		"d/a": {"client2 write d/a", "client1 rename d/c"},
		"e/x": {"client1 make-directory e"}, // nobody changed the file
	}, all)
}

func TestEvidenceOfAClientAloneIsWhatItChangedMeanwhile(t *testing.T) {
	var text strings.Builder
	for at := range 15 {
		fmt.Fprintf(&text, "status client1 %d state=unreachable pending=3\n", 10+at)
	}
	v := verdictOf(t, "connected", text.String()+`
client1/1 8..9 write d/a A
client1/1 11..12 write d/b B
client2/1 12..13 write d/c C
client1/1 13..14 remove d/b
client1/1 15..16 write d/d D
client1/1 17..18 read d/d D
client1/1 26..27 write d/e E
`)
	require.Equal(t, history.Fail, v.Result)
	require.Equal(t, []string{"client1 write d/b", "client1 write d/d"}, kinds(v.Evidence[0]))
}

func TestEvidenceOfAReadThatWentBack(t *testing.T) {
	v := verdictOf(t, "session-reads", `
client1/1 1..2 write d/a A
client1/1 3..4 write d/a B
client2/1 5..6 read d/a B
client2/2 7..8 page d/a A
`)
	require.Equal(t, []string{"client1 write d/a", "client1 write d/a", "client2 read d/a", "client2 page d/a"}, kinds(v.Evidence[0]))
	require.Equal(t, "page d/a on client2 sees an older content, although client2 had seen a newer one", v.Summary)
}

func TestEvidenceIsBounded(t *testing.T) {
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "client1/1 %d..%d write d/f%d C%d\n", 2*i, 2*i+1, i, i)
	}
	text.WriteString("observe client1 mount 200\nobserve client2 mount 200\nobserve server1 server 200\n")
	v := verdictOf(t, "no-lost-data", text.String())
	require.Equal(t, history.Fail, v.Result)
	require.Len(t, v.Evidence, 20)
	require.True(t, strings.HasSuffix(v.Summary, ", and 49 more"), v.Summary)
}

func TestFiguresOfNoHang(t *testing.T) {
	var text strings.Builder
	for i := range 99 {
		fmt.Fprintf(&text, "client1/1 %d..%d.5 read d/a A\n", i, i)
	}
	text.WriteString("client1/1 200..209 read d/a A\nfault 3 pause-venus 200..208 cuts=client1\n")
	v := verdictOf(t, "no-hang", text.String())
	require.Equal(t, history.Pass, v.Result)
	require.Contains(t, v.Figures, history.Figure{Name: "longest call", Value: 1, Unit: "s"}, "the pause does not count")
	for _, figure := range v.Figures {
		switch figure.Name {
		case "half of the calls within":
			require.InDelta(t, 0.5, figure.Value, 0.02)
		case "99.9 % of the calls within":
			require.InDelta(t, 9, figure.Value, 0.001, "never more than the longest")
		}
	}
}

func TestTimeToConvergeIsReported(t *testing.T) {
	v := verdictOf(t, "convergence", `
client1/1 1..2 write d/a A
fault 3 kill-codasrv 3..10 cuts=server1
observe client1 mount 12
observe client2 mount 12.5
observe server1 server 11
`)
	require.Equal(t, history.Pass, v.Result)
	require.Contains(t, v.Figures, history.Figure{Name: "time to converge", Value: 2.5, Unit: "s"})
}

func TestSummariesOfRunsWithLittleToTell(t *testing.T) {
	require.Equal(t, "no client keeps a conflict", verdictOf(t, "no-false-conflict", `
client1/1 1..2 write d/a A
observe client1 mount 20
observe client2 mount 20
`).Summary)
	require.Equal(t, "venus on client1 ended by itself: no more is known", verdictOf(t, "no-crash", `
event server1 codasrv ready 0
event client1 venus ready 0
event client2 venus ready 0
event client1 venus exited 5 unexpected
`).Summary)
}

// A log that goes on shrinking needs more time, and one that does not needs somebody who looks.
func TestConvergenceTellsASlowLogFromOneThatIsStuck(t *testing.T) {
	const rest = `
client1/1 1..2 write d/a A
observe client1 mount 40 pending=%s
  d/a file A
observe client2 mount 40
  d/a file A
observe server1 server 40
  d/a file A
status client1 1.5 state=reachable pending=900
`
	slow := verdictOf(t, "convergence", fmt.Sprintf(rest, "20")+`
status client1 3 state=reachable pending=90
status client1 20 state=reachable pending=50
status client1 39 state=reachable pending=20
`)
	require.Equal(t, "the modify log of client1 is slow: it went from 90 records to 20 in 36s, and 1 more", slow.Summary)
	stuck := verdictOf(t, "convergence", fmt.Sprintf(rest, "80")+`
status client1 3 state=reachable pending=90
status client1 9 state=reachable pending=80
status client1 39 state=reachable pending=80
`)
	require.Equal(t, "the modify log of client1 is stuck: it has 80 records, and none has left it for 30s, and 1 more", stuck.Summary)
	unknown := verdictOf(t, "convergence", fmt.Sprintf(rest, "80"))
	require.Equal(t, "client1 has 80 records in its modify log, 38s after everything was healed", unknown.Summary)
}
