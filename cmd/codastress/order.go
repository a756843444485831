package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// everything is the root of the volume, as what is to be hoarded.
const everything = ""

// order has a venus that answers on a socket do what cfs and hoard could tell it.
func (v venusAt) order(ctx context.Context, order string) (said int, err error) {
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

// Order implements simulation.Software.
func (s *simulatedServer) Order(context.Context, string) (said int, err error) {
	return 0, errors.New("a server takes no orders")
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
	default:
		err = fmt.Errorf("no order %q", order)
	}
	return said, err
}
