package ailing

// Operation names a call of a disk.
type Operation string

// The calls. Those on open files have the path that the file was opened with.
const (
	Create        Operation = "create" // makes a file, or opens one with O_CREATE
	Open          Operation = "open"
	OpenDirectory Operation = "opendir"
	Reuse         Operation = "reuse"  // the path is the new one
	Link          Operation = "link"   // the path is the new one
	Rename        Operation = "rename" // the path is the new one
	Remove        Operation = "remove"
	RemoveAll     Operation = "removeall"
	MakeDirectory Operation = "mkdir"
	Lock          Operation = "lock"
	List          Operation = "list"
	Stat          Operation = "stat"
	Usage         Operation = "usage"
	Read          Operation = "read"
	Write         Operation = "write"
	Sync          Operation = "sync" // of a file
	SyncDirectory Operation = "syncdir"
	Truncate      Operation = "truncate"
	SetModified   Operation = "settime"
	Allocate      Operation = "allocate"
	Copy          Operation = "copy" // the path is that of the copy
	Close         Operation = "close"
)
