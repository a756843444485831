package history

import (
	"io/fs"
	"syscall"
)

// Time is a reading of CLOCK_MONOTONIC in nanoseconds. Containers and processes of one machine share that clock.
type Time int64

// Kind says what an operation does. Each is a whole session: a Read opens, reads to the end and closes.
type Kind uint8

// The kinds of operations.
const (
	Read            Kind = iota + 1 // open, read everything, close
	Write                           // open (making the file where needed), replace everything, close
	Remove                          // unlink
	MakeDirectory                   // mkdir
	RemoveDirectory                 // rmdir
	Rename                          // Path to Target
	Link                            // Target is the new name of Path
	Symlink                         // Path is the new symlink, Target its text
	List                            // readdir
	Stat                            // lstat
	Page                            // a page fetched from a web server that reads it from the mount
	Append                          // open, read everything, add to the end, close
	Edit                            // open, read everything, change a part or the length, close
	SetMode                         // chmod
	SetTime                         // utimensat
	ReadLink                        // readlink
)

// Outcome says how an operation ended.
type Outcome uint8

// The outcomes.
const (
	OK            Outcome = iota + 1 // it took effect
	Failed                           // it had no effect, Errno says why
	Indeterminate                    // it may or may not have taken effect, now or later
)

// A Nonce names one write, world-wide. The zero Nonce names none.
type Nonce [16]byte

// An Operation is one completed, or abandoned, call of a workload.
type Operation struct {
	Node      string        `json:"node"`   // the client it ran on
	Worker    uint32        `json:"worker"` // operations of one worker of one node never overlap
	Number    uint64        `json:"number"` // rises in a recorder, of which a node may have several, in the order of invocation
	Kind      Kind          `json:"kind"`
	Path      string        `json:"path"`             // slash-separated, relative to the volume's root
	Target    string        `json:"target,omitempty"` // of Rename, Link and Symlink; of a ReadLink that succeeded, the text
	Invoked   Time          `json:"invoked"`
	Completed Time          `json:"completed"`           // zero while it never returned
	Abandoned Time          `json:"abandoned,omitempty"` // when its worker gave up waiting; zero where it did not
	Outcome   Outcome       `json:"outcome"`
	Errno     syscall.Errno `json:"errno,omitempty"`   // of Failed and Indeterminate; 0 where there is none
	HTTP      uint16        `json:"http,omitempty"`    // the status of a Page
	Content   Nonce         `json:"content,omitzero"`  // what a Write, Append or Edit wrote, or what a Read or Page saw
	Parents   []Nonce       `json:"parents,omitempty"` // the versions that a Write's worker had read of that file before; what an Append or Edit changed
	Length    int64         `json:"length,omitempty"`  // bytes written or seen; of a List, the number of names
	Problem   string        `json:"problem,omitempty"` // what is wrong with the content that was seen; "" where nothing is
	Synced    bool          `json:"synced,omitempty"`  // a Write, Append or Edit that was fsynced before its close
	Mode      fs.FileMode   `json:"mode,omitempty"`    // what a SetMode set, or what a Stat saw, with the type
	Entries   []string      `json:"entries,omitempty"` // the paths of what a List saw, sorted
}
