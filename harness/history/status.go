package history

import "time"

// A Status is what the daemon of a client said of itself at one moment of a run.
type Status struct {
	Node    string        `json:"node"`
	Time    Time          `json:"time"`              // when it had answered
	Asked   Time          `json:"asked,omitempty"`   // when it was asked; zero where that is not known
	State   string        `json:"state"`             // of the volume
	Pending uint64        `json:"pending"`           // records of the modify log
	Bytes   uint64        `json:"bytes"`             // of contents that are still to be sent
	Busy    uint64        `json:"busy"`              // workers that have an operation; 0 where there are no workers
	Queued  uint64        `json:"queued"`            // operations that wait for a worker
	Oldest  time.Duration `json:"oldest"`            // how long the first of them has been waiting, in nanoseconds
	RPCs    uint64        `json:"rpcs"`              // requests to servers, in this life of the daemon
	Fetched uint64        `json:"fetched"`           // bytes of contents and directories that they brought
	Reached int           `json:"reached,omitempty"` // servers that it takes for being there
	Resolve uint64        `json:"resolve,omitempty"` // requests to resolve what replicas differ in
}

// Disconnected reports whether the state of a volume is one in which its client works without a server; in the words of Coda up to 6.1 it is emulating.
func Disconnected(state string) bool { return state == "unreachable" || state == "emulating" }
