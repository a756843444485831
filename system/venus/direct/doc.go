// Package direct speaks to a running venus over its control socket: file operations by path, without a kernel mount. Paths are relative
// to the volume's root and separated by slashes; symlinks are not followed. Errors carry the kinds of package coda.
package direct
