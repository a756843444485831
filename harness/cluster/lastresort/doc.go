// Package lastresort frees processes that wait for a FUSE file system which never answers. Such a process does not die of SIGKILL.
package lastresort
