// Package venusfs mounts a client of the file system (package venus) with FUSE. It translates requests of the kernel into calls of venus and errors
// into error numbers, and keeps what only the kernel needs: nodes, open files and what the kernel was told.
//
// # Reads and writes
//
// venus keeps whole files in container files. Where the kernel can (Linux 6.9, CAP_SYS_ADMIN), it is handed the container at
// open and reads, writes and maps it by itself (FUSE passthrough). Everywhere else reads and writes come here and go to the container, with
// the kernel's page cache in front.
//
// # One node for each version of a file
//
// The kernel has one length, one page cache and one container for an inode. Coda's sessions need more: a reader keeps what it opened while a writer has a
// new container and later readers a third one. The kernel's rules for an inode that is open for passthrough (fs/fuse/iomode.c, as of 6.18)
// leave no way out by flags:
//
//   - an open that does not ask for passthrough, direct or not, fails with EIO while another is open for passthrough;
//   - so does one that asks for it with another container;
//   - and so does the first one that asks for it while an inode is open through the page cache.
//   - Passthrough and direct I/O together are allowed with the container of the others. Reads and writes come here then, but mmap goes to the container
//     of the others, and splice and sendfile to the page cache of the inode, whoever filled it.
//
// So a node, which is what this package calls the kernel's inode, is one version of a file, bound to one container while it is open. All who write to a
// file have one container, and therefore one node: by way of two, each would have the kernel's pages of its own. An
// open that does not fit is answered with ESTALE. The kernel then walks the path once more with LOOKUP_REVAL, asks for every name on it again, and is
// given another node. That is a detour: each thread takes it once for an open, what was opened for a reader waits for it, and the
// node that it was given is reserved for it. Since a node never changes but by those who write through it, replies that overtake each other cannot give the kernel
// a wrong length, and pages stay valid from one open to the next.
//
// Where a detour is impossible, in /proc/self/fd and for threads of other PID namespaces, the file is opened in the last way of the list.
// The inode number that applications see is the same for all nodes of a file.
//
// # Locks
//
// flock(2) and fcntl(2) locks are kept here, since the kernel would keep them node by node. They hold on this client only, as in Coda. The fcntl locks of a
// process go when it closes a descriptor that can write, or when the open file by which they were taken is released.
//
// # What the kernel believes
//
// Attributes are believed for a second, and less where venus tells of a change made elsewhere: the kernel is told at once, by a goroutine of its own
// that nobody waits for. Names are believed for a quarter of a second, and not taken back before that: the kernel takes the lock of a directory to
// forget a name in it, as it does to look one up, and the two together let one slow lookup close a directory to everybody (TestSlowLookupDelaysNobody). An
// open always asks venus, so contents are never staler than venus's own promise. That names do not exist is not believed at all.
//
// # What can hang, and what is done about it
//
//   - A process that waits for an answer is not ended by SIGKILL once the request has been read here. Every request therefore runs under a deadline, and
//     an interrupt (any signal to the process) ends the wait for whatever can be given up. close and fsync cannot: a process that is killed closes
//     its files with the signal pending, and what it wrote must not be lost for that.
//   - A process of a stopped (SIGSTOP, frozen) venus waits until venus goes on. Killing a stopped venus ends the connection, and every waiting call
//     with ECONNABORTED or ENOTCONN.
//   - The connection ends when the last descriptor of /dev/fuse is closed, not when venus dies. A child process that has inherited the descriptor keeps
//     a mount alive that nobody serves: whoever touches it hangs for ever. go-fuse leaves the descriptor inheritable when it mounts directly, so
//     this package opens it and mounts by itself.
//   - A serving process that touches its own mount can wait for itself, and then cannot even be killed: its exit waits for the call, and
//     the call for its exit. That includes a working directory, an executable, or standard files of a child on the mount between fork and exec. This
//     package looks at /proc/self/mountinfo only, and does not use go-fuse's trick against polling (WaitMount), which opens a file on the mount;
//     a poll is answered when somebody else asks first.
//   - munmap and exit write dirty pages of a shared mapping back while they hold the lock of the address space. Where the pages are FUSE's own, and nobody
//     answers, everything that looks at that process hangs, too: ps and top read /proc/PID/cmdline, which takes the same lock. With passthrough the
//     pages belong to the container and no request is made. Without it only an abort helps.
//   - stat(2) on a mount that hangs, hangs. Abort and ClearDead find the mount in mountinfo and use umount2(2) with MNT_FORCE, which ends the connection
//     without looking at the mount, and fusectl.
//   - Files that are open with passthrough stay readable and writable when venus is dead: the kernel has the container. Only close and fsync tell, with
//     ENOTCONN, that nobody took what was written. When venus is back it moves what was acknowledged out of such containers, and no container
//     is used for anything else while a program has it open or mapped (system/venus/lease.go).
//   - A mount is copied into every new mount namespace, such as a container's while it starts. The connection lives as long as one of them, so that
//     Unmount can have to cut it although nothing is open.
package venusfs
