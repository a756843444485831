package main

import (
	"context"
	"sync"

	"github.com/codastress/codastress/workloads"
)

// mountingFiles are the files of a client that has volumes of its own: the first directories that it makes are these volumes, so that workloads, their records
// and the checks need not know of volumes.
type mountingFiles struct {
	workloads.Directory
	mount func(ctx context.Context, path, volume string) error

	mu      sync.Mutex
	volumes []string // that are not mounted yet
}

// MakeDirectory implements workloads.Directory. A volume whose mounting failed is used no more: whether it was mounted may not be known.
func (m *mountingFiles) MakeDirectory(ctx context.Context, path string) error {
	m.mu.Lock()
	var volume string
	if len(m.volumes) > 0 {
		volume, m.volumes = m.volumes[0], m.volumes[1:]
	}
	m.mu.Unlock()
	if volume == "" {
		return m.Directory.MakeDirectory(ctx, path)
	}
	return m.mount(ctx, path, volume)
}

// mountVolume mounts a volume.
func (d directFiles) mountVolume(ctx context.Context, path, volume string) error {
	return errno("mkmount", path, d.venus.Mount(ctx, path, volume))
}

// mountVolume is mountVolume of the venus that runs.
func (m *simulatedMount) mountVolume(ctx context.Context, path, volume string) error {
	return m.do(ctx, "mkmount", path, func(ctx context.Context, files directFiles) error { return files.mountVolume(ctx, path, volume) })
}
