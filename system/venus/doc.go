// Package venus is the client of the file system: a cache of whole files that survives restarts, a modify log, and the daemons that keep
// both in step with the server.
//
// # What is stored
//
// The metadata store (Pebble) holds what the server said, object by object and entry by entry, and the client modify log. It never holds
// the local view: that is what the server said with the log applied to it, and it is worked out in memory. So a restart reads both and
// replays the log, a refused record is simply taken out of the log, and an optimised log is right exactly when the replay gives the same
// tree.
//
// # What is in conflict
//
// A record that the server refuses leaves the local view and stays in the cache, with those that depend on it, until somebody decides (conflict.go). All
// else goes on. The object shows as a symlink that leads nowhere, Coda's @volume.vnode.unique@realm. form, or, expanded, as a directory with the entries
// local and global (conflictview.go): these have fids that no server gives out, while the server's version keeps its own. A repair changes the server's
// version by ordinary records first and forgets the refused ones last, so that nothing is lost wherever it is cut short (repair.go).
//
// File contents are in container files, one a version, on the same disk, which must be real where the front end passes them to the kernel. A
// container never changes once its write session has ended.
//
// # What is at hand
//
// What a person hoards is fetched before it is needed and evicted last (hoard.go, hoardwalk.go); docs/hoarding.md has the rules of a full cache.
//
// # What it costs
//
// Whatever is cached is known in memory: half a KiB for each object with its name and container (object.go). What is going on with an object is behind
// pointers, which are nil for nearly all.
//
// # What is locked
//
// One mutex guards everything in memory. It is held for computation only, never while waiting for the disk or the network: a
// change enqueues its metadata batch under the mutex, which fixes the order, and waits for it after unlocking. Requests that need the network join a flight of
// their object and wait for it with the mutex free, each within its own deadline.
//
// # What survives what
//
// A change returns when its bytes have been handed to the kernel, so that they survive kill -9 (see journal); Sync waits for the disk.
//
// What a flush has acknowledged stays what it was until the next one, whatever other writers do (protect.go), and whatever programs write by way of
// files and mappings that the kernel keeps for them when venus has heard of their end, or is dead (linger.go, leftover.go).
package venus
