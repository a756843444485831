// Package vice is codasrv, the server of the file system. It keeps volumes on one disk, answers venus over gRPC and promises its
// clients to tell them when what they cached changes.
//
// # Storage
//
// Metadata live in a Pebble store: one key a vnode, one key a directory entry, a replay table with one row a client. Contents of files
// are immutable. Small ones are values in the same store, written by the same durable commit as the metadata that name them, which is
// what makes nine hundred small stores in one batch cost one sync of the disk. Larger ones are container files, written and
// synced before the commit that names them, and removed after the commit that forgets them; what a crash leaves behind in between is
// removed at the next start.
//
// # Reading and writing
//
// Writers take turns. A batch is checked and applied to an overlay in memory, committed with one synced write, and only then
// published: readers read from a snapshot of the last durable commit (a view), so nobody ever sees what a power loss could take back,
// and no reader waits for a disk or for a writer. The table of promises is guarded by the same mutex under which views change, so a
// promise given with a version is a promise about that version.
//
// # Callbacks
//
// Each session has a queue of its own, bounded and never waited for: a client that does not take its breaks loses its session, has to
// validate what it cached when it is back, and delays nobody. The change of a directory travels inside the break, so that caches of
// directories stay valid in place. A client trusts its cache for one lease from the sending of a ping that was answered; since
// answers queue behind breaks, the server needs no clock to be correct.
//
// # Reintegration
//
// A batch is one transaction. Operations on directories are certified by name, those on files by version; a record that conflicts with what
// others did is refused and the rest is applied, and since a record that depends on a refused one fails its own certification, it is
// refused as well. The last answered record number of each client and the answer are part of the transaction, so a batch that is sent
// again, after a lost reply or a crash, is answered as it was the first time and not applied again.
//
// # Replicas
//
// A server of a replicated volume keeps, beside the objects, what it cannot know that all replicas have: batches, and what they did to objects
// and names (unsettled.go). A server makes its state the join of its own and that of another one, in one transaction and without locks across
// servers (join.go and the files beside it); when all know that all have a batch, the rows about it go (settle.go). docs/replication.md has the rules.
package vice
