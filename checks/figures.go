package checks

// Figures names what a check measures. What follows in capital letters stands for any text.
func Figures(check string) []string {
	return map[string][]string{
		"no-hang": {
			"longest call", "half of the calls within", "99 % of the calls within", "99.9 % of the calls within", "never returned", "longest call on NODE", "longest call after the last fault",
		},
		"no-lost-data": {
			"names judged", "names not judged", "left open, since clients were at work at the same time", "changes kept as conflicts", "changes that a loss of power may take",
		},
		"connected":         {"longest time without a server"},
		"convergence":       {"time to converge", "objects"},
		"session-reads":     {"reads judged"},
		"own-names":         {"names judged", "sightings judged"},
		"visibility":        {"looks judged", "longest unseen", "90 % of the changes seen within", "99 % of the changes seen within"},
		"responsive":        {"calls that no fault hindered", "99 % of them within", "longest stall of a client", "quick again after"},
		"no-false-conflict": {"conflicts", "conflicts in renamed directories, not judged", "conflicts repaired", "conflicts that a quota has made"},
		"quota":             {"refused for want of room"},
		"proven":            {"faults", "operations", "missed"},
	}[check]
}
