package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/agent/ill"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// nodeDisk is the disk of a node's daemon as its agent has it work badly. The daemon answers on the socket while its process lives; else there is what it has
// left, which the next process goes on with.
type nodeDisk struct{ socket string }

var _ agent.Disk = nodeDisk{}

// SetDisk implements agent.Disk.
func (d nodeDisk) SetDisk(ctx context.Context, state ill.State) error {
	health := healthOf(state)
	lives, err := d.ask(ctx, func(control controlpb.DiskControlClient) error {
		_, err := control.SetHealth(ctx, healthMessage(health))
		return err
	})
	if lives || err != nil {
		return err
	}
	file, err := os.OpenFile(diskRecord(d.socket), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(keepDiskRecord(file, ailing.Record{Health: health}), file.Close())
}

// DiskHarm implements agent.Disk.
func (d nodeDisk) DiskHarm(ctx context.Context) (harm ill.Harm, err error) {
	lives, err := d.ask(ctx, func(control controlpb.DiskControlClient) error {
		reply, err := control.Harm(ctx, &controlpb.DiskHarmRequest{})
		harm = ill.Harm{
			Calls: int(reply.GetCalls()), Refused: int(reply.GetRefused()), Delayed: int(reply.GetDelayed()), Longer: time.Duration(reply.GetLonger()),
			Stalled: int(reply.GetStalled()), First: reply.GetFirst(),
		}
		return err
	})
	if lives || err != nil {
		return harm, err
	}
	left, err := readDiskRecord(d.socket)
	return ill.Harm(left.Harm), err
}

// ProbeDisk implements agent.Disk.
func (d nodeDisk) ProbeDisk(ctx context.Context) error {
	lives, err := d.ask(ctx, func(control controlpb.DiskControlClient) error {
		_, err := control.Probe(ctx, &controlpb.DiskProbeRequest{})
		return err
	})
	if err == nil && !lives {
		return errNotRunning
	}
	return err
}

// ask asks the daemon something, and says whether there is one. A connection is made for each question, since one to an earlier life would take its time to
// notice that there is another.
func (d nodeDisk) ask(ctx context.Context, question func(controlpb.DiskControlClient) error) (lives bool, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", d.socket)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := conn.Close(); err != nil {
		return false, err
	}
	client, err := grpc.NewClient("unix:"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false, err
	}
	return true, errors.Join(question(controlpb.NewDiskControlClient(client)), client.Close())
}
