package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
)

// healthOf is the state of a disk as the file system's disks know it.
func healthOf(state cluster.DiskState) ailing.Health {
	health := ailing.Health{
		Slowest: state.Slowest, Stalled: state.Stalled, Full: state.Full, Seed: state.Seed,
		Failing: state.Failing, Call: state.Call, Count: state.Count,
	}
	if state.Operation != "" {
		health.Refused = []ailing.Operation{ailing.Operation(state.Operation)}
	}
	if state.Error == cluster.DiskHasNoSpace {
		health.Err = unix.ENOSPC
	}
	return health
}

// probeDisk writes a file, syncs it, reads it and removes it.
func probeDisk(on disk.FS, path string) error {
	f, err := on.OpenFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	content := []byte("probe")
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		_, err = f.ReadAt(content, 0)
	}
	return errors.Join(err, f.Close(), on.Remove(path))
}
