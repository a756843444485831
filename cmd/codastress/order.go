package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// everything is the root of the volume, as what is to be hoarded.
const everything = ""

// order has a venus that answers on a socket do what cfs, hoard and clog could tell it. The local user who works is uid.
func (v venusAt) order(ctx context.Context, uid uint32, order string) (said int, err error) {
	if said, known, err := orderTokens(ctx, v, uid, cluster.Order(order)); known {
		return said, err
	}
	switch cluster.Order(order) {
	case cluster.OrderDisconnect:
		_, err = v.client.Disconnect(ctx, &controlpb.DisconnectRequest{})
	case cluster.OrderReconnect:
		_, err = v.client.Reconnect(ctx, &controlpb.ReconnectRequest{})
	case cluster.OrderHoard:
		return v.hoardEverything(ctx)
	case cluster.OrderForget:
		if _, err = v.client.HoardDelete(ctx, &controlpb.PathRequest{Path: everything}); errors.Is(wire.FromError("hoard delete", err), coda.NotFound) {
			err = nil
		}
	case cluster.OrderHoarded:
		var reply *controlpb.HoardListReply
		reply, err = v.client.HoardList(ctx, &controlpb.HoardListRequest{})
		said = oneIf(slices.ContainsFunc(reply.GetEntries(), func(e *controlpb.Hoarded) bool { return e.GetPath() == everything }))
	case cluster.OrderBound, cluster.OrderRefused:
		var reply *controlpb.ListVolumesReply
		reply, err = v.client.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
		if said = int(reply.GetBounded()); cluster.Order(order) == cluster.OrderRefused {
			said = int(reply.GetCounters().GetOverQuota())
		}
	default:
		err = fmt.Errorf("no order %q", order)
	}
	return said, err
}

func (v venusAt) hoardEverything(ctx context.Context) (objects int, err error) {
	_, err = v.client.HoardAdd(ctx, &controlpb.HoardAddRequest{
		Entry: &controlpb.Hoarded{Path: everything, Priority: venus.HoardPriority, Extent: venus.DescendantsEver.String()},
	})
	if err != nil {
		return 0, err
	}
	reply, err := v.client.HoardWalk(ctx, &controlpb.HoardWalkRequest{})
	return int(reply.GetObjects()), err
}

func oneIf(is bool) int {
	if is {
		return 1
	}
	return 0
}

// volumeKeeper is a codasrv that can be told to lock and to bound volumes.
type volumeKeeper interface {
	// volumes says what each volume is, by rising ids.
	volumes(ctx context.Context) ([]keptVolume, error)
	lock(ctx context.Context, volume string, locked bool) error
	bound(ctx context.Context, volume string, quota vice.Quota) error
	userKeeper
}

// keptVolume is a volume, as volutil shows it.
type keptVolume struct {
	name        string
	locked      bool
	quota, used vice.Quota
}

// orderServer has a codasrv do what volutil could tell it, and gives the number of volumes of which that is true then what the order is about.
func orderServer(ctx context.Context, server volumeKeeper, before *quotasBefore, order string) (count int, err error) {
	if cluster.Order(order) == cluster.OrderMakeUser {
		return 0, persist(ctx, func() error { return server.makeUser(ctx) })
	}
	volumes, err := server.volumes(ctx)
	if err != nil {
		return 0, err
	}
	switch cluster.Order(order) {
	case cluster.OrderLockVolumes, cluster.OrderUnlockVolumes, cluster.OrderLocked:
		return orderLocks(ctx, server, volumes, cluster.Order(order))
	}
	return before.order(ctx, server, volumes, cluster.Order(order))
}

// orderLocks locks volumes, and gives the number of those that are locked then.
func orderLocks(ctx context.Context, server volumeKeeper, volumes []keptVolume, order cluster.Order) (locked int, err error) {
	for _, volume := range volumes {
		if order != cluster.OrderLocked {
			volume.locked = order == cluster.OrderLockVolumes
			err = errors.Join(err, persist(ctx, func() error { return server.lock(ctx, volume.name, volume.locked) }))
		}
		locked += oneIf(volume.locked)
	}
	return locked, err
}

// newServer is how long to wait for a server that has not heard from the others yet.
const newServer = 100 * time.Millisecond

// persist asks again as long as the answer is that the server is busy.
func persist(ctx context.Context, ask func() error) error {
	for {
		err := wire.FromError("order", ask())
		if coda.KindOf(err) != coda.Busy || err == nil {
			return err
		}
		select {
		case <-time.After(newServer):
		case <-ctx.Done():
			return err
		}
	}
}

func (c codasrvAt) volumes(ctx context.Context) (list []keptVolume, err error) {
	reply, err := c.client.Volumes(ctx, &controlpb.VolumesRequest{})
	for _, v := range reply.GetVolumes() {
		list = append(list, keptVolume{
			name: v.Name, locked: v.Locked, quota: vice.Quota{Bytes: v.QuotaBytes, Objects: v.QuotaObjects}, used: vice.Quota{Bytes: v.UsedBytes, Objects: v.UsedObjects},
		})
	}
	return list, err
}

func (c codasrvAt) bound(ctx context.Context, volume string, quota vice.Quota) error {
	_, err := c.client.Volumes(ctx, &controlpb.VolumesRequest{
		Change: controlpb.VolumeChange_VOLUME_CHANGE_QUOTA, Name: volume, QuotaBytes: quota.Bytes, QuotaObjects: quota.Objects,
	})
	return err
}

func (c codasrvAt) lock(ctx context.Context, volume string, locked bool) error {
	change := controlpb.VolumeChange_VOLUME_CHANGE_UNLOCK
	if locked {
		change = controlpb.VolumeChange_VOLUME_CHANGE_LOCK
	}
	_, err := c.client.Volumes(ctx, &controlpb.VolumesRequest{Change: change, Name: volume})
	return err
}

func (c codasrvHere) volumes(context.Context) (list []keptVolume, err error) {
	used := map[string]vice.Quota{}
	for _, v := range c.server.Counters().Volumes {
		used[v.Name] = v.Used
	}
	for _, v := range c.server.Volumes() {
		list = append(list, keptVolume{name: v.Name, locked: v.Locked, quota: v.Quota, used: used[v.Name]})
	}
	return list, nil
}

func (c codasrvHere) bound(ctx context.Context, volume string, quota vice.Quota) error {
	return c.server.SetQuota(ctx, volume, quota)
}

func (c codasrvHere) lock(ctx context.Context, volume string, locked bool) error {
	return c.server.LockVolume(ctx, volume, locked)
}

// Order implements simulation.Software.
func (s *simulatedServer) Order(ctx context.Context, order string) (said int, err error) {
	server, err := s.alive()
	if err != nil {
		return 0, err
	}
	if err := s.life.Running(ctx); err != nil {
		return 0, err
	}
	return orderServer(ctx, codasrvHere{server, s.entropy}, &s.quotas, order)
}

// Order implements simulation.Software.
func (c *simulatedClient) Order(ctx context.Context, order string) (said int, err error) {
	s := c.mount.now()
	if s == nil {
		return 0, errNotRunning
	}
	if err := s.life.Running(ctx); err != nil {
		return 0, err
	}
	c.mu.Lock()
	client := c.venus
	c.mu.Unlock()
	if said, known, err := orderTokens(ctx, venusHere{client}, directUID, cluster.Order(order)); known {
		return said, err
	}
	switch cluster.Order(order) {
	case cluster.OrderDisconnect:
		client.Disconnect()
	case cluster.OrderReconnect:
		client.Reconnect()
	case cluster.OrderHoard:
		if _, err = client.HoardAdd(ctx, everything, venus.HoardPriority, venus.DescendantsEver); err != nil {
			return 0, err
		}
		var found venus.HoardReport
		found, err = client.HoardWalk(ctx)
		said = int(found.Objects)
	case cluster.OrderForget:
		if err = client.HoardDelete(everything); errors.Is(err, coda.NotFound) {
			err = nil
		}
	case cluster.OrderHoarded:
		said = oneIf(slices.ContainsFunc(client.HoardList(), func(e venus.Hoarded) bool { return e.Path == everything }))
	case cluster.OrderBound:
		said = client.Bounded()
	case cluster.OrderRefused:
		said = int(client.Counters().OverQuota)
	default:
		err = fmt.Errorf("no order %q", order)
	}
	return said, err
}
