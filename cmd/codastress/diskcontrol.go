package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// openDisk gives the disk that a daemon keeps everything on, and what is to be called when it needs that no more. A disk that is to be told how badly it works
// answers from now until then: also while the daemon cannot start, or end, because of it.
func (f *daemonFlags) openDisk(log *slog.Logger) (on disk.FS, closeDisk func(), err error) {
	if f.disk == "" {
		return disk.Real(), func() {}, nil
	}
	// Who finds nobody listening leaves a record for the next life: it is read after that.
	listener, err := listenUnix(f.disk)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = listener.Close() // nobody was answered
		}
	}()
	left, err := readDiskRecord(f.disk)
	if err != nil {
		return nil, nil, err
	}
	kept, err := os.OpenFile(diskRecord(f.disk), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("keeping how badly the disk works: %w", err)
	}
	ails := ailing.New(disk.Real(), func(r ailing.Record) {
		if err := keepDiskRecord(kept, r); err != nil {
			log.Error("keeping how badly the disk works", "error", err)
		}
	})
	ails.Resume(left)
	server := grpc.NewServer()
	controlpb.RegisterDiskControlServer(server, &diskControl{disk: ails, probe: filepath.Join(f.dir, "probe")})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return ails, func() {
		server.Stop()
		if err := errors.Join(<-served, kept.Close()); err != nil {
			log.Error("answering those who ask for a bad disk", "error", err)
		}
	}, nil
}

// diskControl makes the disk of this daemon work badly.
type diskControl struct {
	controlpb.UnimplementedDiskControlServer
	disk  *ailing.Disk
	probe string // a file
}

// SetHealth implements controlpb.DiskControlServer.
func (c *diskControl) SetHealth(_ context.Context, m *controlpb.DiskHealth) (*controlpb.EmptyReply, error) {
	health := ailing.Health{
		Slowest: time.Duration(m.Slowest), Stalled: m.Stalled, Full: m.Full, Seed: m.Seed,
		Failing: m.Failing, Call: int(m.Call), Count: int(m.Count), Err: unix.Errno(m.Errno),
	}
	for _, op := range m.Refused {
		health.Refused = append(health.Refused, ailing.Operation(op))
	}
	c.disk.SetHealth(health)
	return &controlpb.EmptyReply{}, nil
}

// healthMessage is what SetHealth reads.
func healthMessage(health ailing.Health) *controlpb.DiskHealth {
	m := &controlpb.DiskHealth{
		Slowest: int64(health.Slowest), Stalled: health.Stalled, Full: health.Full, Seed: health.Seed,
		Failing: health.Failing, Call: int64(health.Call), Count: int64(health.Count), Errno: int32(health.Err),
	}
	for _, op := range health.Refused {
		m.Refused = append(m.Refused, string(op))
	}
	return m
}

// Harm implements controlpb.DiskControlServer.
func (c *diskControl) Harm(context.Context, *controlpb.DiskHarmRequest) (*controlpb.DiskHarmReply, error) {
	harm := c.disk.Harm()
	return &controlpb.DiskHarmReply{
		Calls: int64(harm.Calls), Refused: int64(harm.Refused), Delayed: int64(harm.Delayed), Longer: int64(harm.Longer), Stalled: int64(harm.Stalled), First: harm.First,
	}, nil
}

// Probe implements controlpb.DiskControlServer.
func (c *diskControl) Probe(context.Context, *controlpb.DiskProbeRequest) (*controlpb.EmptyReply, error) {
	if err := probeDisk(c.disk, c.probe); err != nil {
		return nil, err
	}
	return &controlpb.EmptyReply{}, nil
}

// diskRecord is the file in which a daemon leaves to its next life how badly its disk works.
func diskRecord(socket string) string { return socket + "-record" }

// keepDiskRecord writes a record in one piece over the one before: a process that is killed has written it or not. What is left of a longer one behind it
// means nothing.
func keepDiskRecord(file *os.File, r ailing.Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(append(text, '\n'), 0)
	return err
}

// readDiskRecord gives what an earlier life has left, or what was left for the next one: that of a healthy disk where there is nothing.
func readDiskRecord(socket string) (r ailing.Record, err error) {
	file, err := os.Open(diskRecord(socket))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("reading how badly the disk works: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	if err := json.NewDecoder(file).Decode(&r); err != nil && !errors.Is(err, io.EOF) {
		return r, fmt.Errorf("reading how badly the disk works: %w", err)
	}
	return r, nil
}
