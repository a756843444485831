package checks

import "github.com/codastress/codastress/harness/history"

// A Check decides whether one promise was kept.
type Check struct {
	Name string
	Doc  string
	// Run is a pure function. The verdict has the check's name.
	Run func(*history.Run) history.Verdict
}

// All returns every check, in the order in which to list them.
func All() []Check {
	all := []Check{
		{"no-hang", "every call returns within the scenario's bound, with data or with an error, whatever the faults", noHang},
		{
			"no-lost-data",
			"what was acknowledged is there in the end or something has taken its place, removed files stay away, and no content is damaged or misplaced",
			noLostData,
		},
		{"responsive", "calls that no fault hinders are as quick as the scenario's limits want, and soon again after a fault", responsive},
		{"connected", "a client works without a server only where something is in the way of one", connected},
		{"convergence", "after healing, all clients and servers show the same tree, and nothing is left to be sent", convergence},
		{"no-crash", "daemons end only when a fault or the teardown ends them, without a panic or a data race", noCrash},
		{"sound-server", "the server's own fsck finds nothing", soundServer},
		{"session-reads", "a client sees what it wrote itself, and what it sees of a file never goes back", sessionReads},
		{"own-names", "what one client alone changes is what that client made of it, at every moment, for it and for all others", ownNames},
		{"visibility", "what was done is seen everywhere within a lease after it was reintegrated, or as soon as a file system that is not ours claims: --consistency", visibility},
		{"no-false-conflict", "a conflict exists only where two clients changed the same object without seeing each other", noFalseConflict},
		{"quota", "a change is refused for want of room in its volume only while a fault bounds that", withinQuota},
		{"proven", "the faults took effect and were healed, the load was heavy enough, and the record is whole", proven},
	}
	for i := range all {
		if all[i].Name != "convergence" && all[i].Name != "connected" { // which show what led there, and are proven by what was observed
			all[i].Run = sufficient(all[i].Run)
		}
	}
	return all
}
