// Package coda is the vocabulary of the file system: object identifiers, version vectors, statuses, the records of the client
// modify log and the kinds of errors. It imports nothing else of the project; client, server and protocol all speak it.
//
// # Versions and certification
//
// Every object has a VersionVector: eight slots that count updates, one slot a replica, and the StoreID of the last update.
// Both parts have their own use, and both rules matter to a client that logs updates while the server is out of reach.
//
//   - Slots decide validity. Whatever changes an object's status or contents on a server increments a slot, so a cached status is
//     current exactly when the slots are equal. StoreIDs are not compared for that.
//   - The StoreID decides certification. A Store, SetAttributes or Remove of a file names the version it was based on, and is
//     applied when that version and the current one carry the same StoreID (WeaklyEqual). A client knows the StoreID that its own
//     record will leave behind, {client, record number}, and can base the next record on it before any server has seen the first.
//
// The StoreID of a file or symlink is set by the record that creates it, by Store and by SetAttributes. Link, Rename and the Remove
// of one of several names leave it alone (they increment the slots only): they are certified by name and not by version, so a StoreID left
// by them could hide the update of somebody else from the Store that follows. The StoreID of a directory is set by the record that
// creates it, by every change of its entries and by SetAttributes; no operation on a directory is certified by version.
package coda
