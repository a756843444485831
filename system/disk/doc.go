// Package disk is the file system that venus and codasrv keep everything on: what Pebble needs (vfs.FS), and what files of contents need
// beyond that. Real is the machine's own; package simdisk has one in memory that can lose its power.
package disk
