package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// order has a venus that answers on a socket do what cfs could tell it.
func (v venusAt) order(ctx context.Context, order string) (err error) {
	switch cluster.Order(order) {
	case cluster.OrderDisconnect:
		_, err = v.client.Disconnect(ctx, &controlpb.DisconnectRequest{})
	case cluster.OrderReconnect:
		_, err = v.client.Reconnect(ctx, &controlpb.ReconnectRequest{})
	default:
		err = fmt.Errorf("no order %q", order)
	}
	return err
}

// Order implements simulation.Software.
func (s *simulatedServer) Order(context.Context, string) error {
	return errors.New("a server takes no orders")
}

// Order implements simulation.Software.
func (c *simulatedClient) Order(ctx context.Context, order string) error {
	s := c.mount.now()
	if s == nil {
		return errNotRunning
	}
	if err := s.life.Running(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	client := c.venus
	c.mu.Unlock()
	switch cluster.Order(order) {
	case cluster.OrderDisconnect:
		client.Disconnect()
	case cluster.OrderReconnect:
		client.Reconnect()
	default:
		return fmt.Errorf("no order %q", order)
	}
	return nil
}
