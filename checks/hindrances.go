package checks

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// hindrances is when a fault may have been in the way of what a client did: of its own daemon, of a server, or of a link between the two or between
// servers. What is done to other clients is none: nobody has to wait for that. A fault that cuts nothing hinders those that it is done to.
func hindrances(run *history.Run, client string) history.Intervals {
	concerns := func(node string) bool { return node == client || slices.Contains(run.Meta.Servers, node) }
	var windows []history.Interval
	for i := range run.Faults {
		fault := &run.Faults[i]
		hinders := slices.ContainsFunc(fault.Cuts, func(cut history.Cut) bool {
			return concerns(cut.Node) && (cut.Peer == "" || concerns(cut.Peer))
		})
		if len(fault.Cuts) == 0 {
			hinders = slices.ContainsFunc(fault.Nodes, concerns)
		}
		if hinders {
			windows = append(windows, fault.Window())
		}
	}
	return history.Union(windows)
}
