// Package direct does file operations by path, without a kernel mount, on a venus in the same process or over its control socket. Paths are relative
// to the volume's root and separated by slashes; symlinks are not followed. Errors carry the kinds of package coda.
package direct
