package faults

import (
	"fmt"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// Excuses says for people what a fault may excuse while it lasts, by the example of the first nodes that it can hit in a small cluster.
func Excuses(fault Fault) string {
	topology := Topology{Servers: []string{"server1", "server2"}, Clients: []string{"client1", "client2"}}
	if fault.Applies(topology) != nil {
		topology = Topology{Mounts: topology.Clients}
	}
	targets := fault.Targets(topology)
	if len(targets) == 0 {
		return ""
	}
	cuts := fault.Cuts(history.Step{Name: fault.Name(), Nodes: targets[0]})
	if len(cuts) == 0 {
		return "nothing: every promise is held to as without it"
	}
	var words []string
	for _, cut := range cuts {
		if cut.Peer == "" {
			words = append(words, "the daemon of "+cut.Node)
		} else {
			words = append(words, fmt.Sprintf("the link between %s and %s", cut.Node, cut.Peer))
		}
	}
	return fmt.Sprintf("what has to wait for %s, when it hits %s", strings.Join(words, ", "), strings.Join(targets[0], " "))
}
