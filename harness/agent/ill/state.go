package ill

import "time"

// State is how well the disk of a node works. The zero value is a healthy one.
type State struct {
	Slowest time.Duration `json:"slowest,omitempty"` // each call takes a time that is drawn, up to this
	Stalled bool          `json:"stalled,omitempty"` // no call returns
	Full    bool          `json:"full,omitempty"`    // there is no space left
	Seed    uint64        `json:"seed,omitempty"`    // of what is drawn

	Failing   float64 `json:"failing,omitempty"`   // the share of the calls that fail
	Call      int     `json:"call,omitempty"`      // the first of the calls that fail, counted from 1 and from when the state was set; 0 where the share decides
	Count     int     `json:"count,omitempty"`     // how many fail from that one on
	Operation string  `json:"operation,omitempty"` // the calls that are meant, one of Operations; "" for every read, write and sync
	Error     string  `json:"error,omitempty"`     // what they fail with, Fails or HasNoSpace; "" for the former
}

// What a call of a disk fails with.
const (
	Fails      = "EIO"
	HasNoSpace = "ENOSPC"
)

// Operations are the kinds of calls of a disk that can be made to fail. Sync is of a file, syncdir of a directory.
func Operations() []string {
	return []string{"read", "write", "sync", "syncdir", "create", "open", "rename", "link", "remove", "truncate", "allocate", "copy", "list"}
}

// Harm is what the state of a node's disk has done to the calls of the daemon that keeps its data there, since the state was set.
type Harm struct {
	Calls   int           `json:"calls"`             // that the daemon made
	Refused int           `json:"refused,omitempty"` // of them had no space, or were told that there is none, or failed
	Delayed int           `json:"delayed,omitempty"` // took longer
	Longer  time.Duration `json:"longer,omitempty"`  // by so much, all together
	Stalled int           `json:"stalled,omitempty"` // waited, or still wait, since no call returned
	First   string        `json:"first,omitempty"`   // the first of the refused, delayed and stalled ones: what was done, and with what
}
