// Package simdisk is a disk in memory for simulations. It can be copied at any moment as a crash of the process (Crash) or a loss of power
// (LosePower) would leave it, frozen, slowed down, filled up, and made to fail at a chosen call.
//
// # What a loss of power leaves
//
// What was synced is there: the contents of a file by a sync of the file, names by a sync of their directory. Of the rest there is a random
// part, such as a journaling file system could leave:
//
//   - Blocks of 4 KiB are new or old, each by itself. A block that was never written is a hole.
//   - The length is the old or the new one, or one in between that the file had or that ends with a block.
//   - A truncation that made the file shorter has happened or has not. If it has not, nothing that was written after it is there: those
//     blocks belong to nobody.
//   - Changes of one directory's names happen in their order, so some of the first are there. A rename is there as a whole or not at all,
//     even between two directories.
//
// What nobody wrote is never there. Like the kernel, the disk writes back by itself what has not been synced for 30 seconds.
//
// # How it is kept
//
// A file is a list of blocks that are shared between copies of the disk and copied when one of them changes them. The disk keeps the old
// version of blocks that were changed since the last sync, so that a sync is only forgetting them: its cost depends on what was written
// since the last one, not on the length of the file. The blocks of files that were opened with OpenFile are shared with all equal ones
// of the process when the last writer closes the file.
//
// # Virtual time
//
// Calls wait with time.Sleep and on channels only, and with no mutex held, so that all of it works in a testing/synctest bubble. The disk
// has no goroutines. Nothing that it decides depends on anything but the calls and the random source that it is given.
package simdisk
