package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// The user whose tokens end, and his password. A run has no other user, and no secrets.
const (
	worker         = "worker"
	workerPassword = "worker of a run"
)

// directUID is the local user whose work it is that does not come through the kernel.
const directUID = 0

// workingUID is the local user whose work the workloads of a client are.
func (n *node) workingUID() uint32 {
	if n.Mount == cluster.MountFUSE {
		return uint32(os.Getuid())
	}
	return directUID
}

// deskUID is a local user who does nothing: with his token what waits is sent, and nobody's work begins to need one.
const deskUID = 1 << 20

// tokenLook is how long to wait before looking again whether there is something to be sent, or whether it waits.
const tokenLook = time.Millisecond

// tokenHolder is a venus with tokens.
type tokenHolder interface {
	logIn(ctx context.Context, uid uint32) error
	logOut(ctx context.Context, uid uint32) error
	// owed is how many records of the modify log are of the user of a local user with a token.
	owed(ctx context.Context, uid uint32) (records uint64, err error)
	// waiting is how many records the modify log has while it waits for a token, 0 where it does not.
	waiting(ctx context.Context) (records uint64, err error)
}

// orderTokens has a venus do what clog and cunlog could tell it. The local user who works is uid. known is false for an order that is not about tokens.
func orderTokens(ctx context.Context, v tokenHolder, uid uint32, order cluster.Order) (said int, known bool, err error) {
	var records uint64
	switch order {
	case cluster.OrderExpire:
		err = expire(ctx, v, uid)
	case cluster.OrderWaiting:
		records, err = v.waiting(ctx)
	case cluster.OrderLogIn:
		err = persist(ctx, func() error { return v.logIn(ctx, deskUID) })
	case cluster.OrderOwed:
		records, err = v.owed(ctx, deskUID)
	case cluster.OrderLogOut:
		err = v.logOut(ctx, deskUID)
	default:
		return 0, false, nil
	}
	return int(records), true, err
}

// expire gives the local user who works a token, and takes it away while there is something to be sent for him. What was under way in that moment may be
// all that there was: then it does so again.
func expire(ctx context.Context, v tokenHolder, uid uint32) error {
	for {
		if err := persist(ctx, func() error { return v.logIn(ctx, uid) }); err != nil {
			return err
		}
		_, err := await(ctx, func() (uint64, error) { return v.owed(ctx, uid) }, 0)
		if err = errors.Join(err, v.logOut(context.WithoutCancel(ctx), uid)); err != nil {
			return err
		}
		if records, err := await(ctx, func() (uint64, error) { return v.waiting(ctx) }, 20); err != nil || records > 0 {
			return err
		}
	}
}

// await looks until there is something, or so many times where that is not 0.
func await(ctx context.Context, look func() (uint64, error), times int) (found uint64, err error) {
	for i := 0; times == 0 || i < times; i++ {
		if found, err = look(); err != nil || found > 0 {
			return found, err
		}
		select {
		case <-time.After(tokenLook):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, nil
}

func (v venusAt) logIn(ctx context.Context, uid uint32) error {
	_, err := v.client.LogIn(ctx, &controlpb.LogInRequest{Uid: uid, User: worker, Password: workerPassword})
	return err
}

func (v venusAt) logOut(ctx context.Context, uid uint32) error {
	_, err := v.client.LogOut(ctx, &controlpb.LogOutRequest{Uid: uid})
	return err
}

func (v venusAt) owed(ctx context.Context, uid uint32) (records uint64, err error) {
	reply, err := v.client.ListTokens(ctx, &controlpb.ListTokensRequest{})
	for _, token := range reply.GetTokens() {
		if token.Uid == uid {
			records = token.Waiting
		}
	}
	return records, err
}

func (v venusAt) waiting(ctx context.Context) (records uint64, err error) {
	reply, err := v.client.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	for _, volume := range reply.GetVolumes() {
		if volume.Waits != "" {
			records += volume.LogRecords
		}
	}
	return records, err
}

func (v venusHere) logIn(ctx context.Context, uid uint32) error {
	return v.client.LogIn(ctx, uid, worker, workerPassword)
}

func (v venusHere) logOut(_ context.Context, uid uint32) error { return v.client.LogOut(uid) }

func (v venusHere) owed(_ context.Context, uid uint32) (records uint64, err error) {
	for _, token := range v.client.Tokens() {
		if token.UID == uid {
			records = token.Waiting
		}
	}
	return records, nil
}

func (v venusHere) waiting(context.Context) (records uint64, err error) {
	if volume := v.client.Volume(); volume.Waits != "" {
		records = volume.LogRecords
	}
	return records, nil
}

// userKeeper is a codasrv that can be told to have the user whose tokens end. It is no mistake that there is one already.
type userKeeper interface {
	makeUser(ctx context.Context) error
}

func (c codasrvAt) makeUser(ctx context.Context) error {
	ask := func(change controlpb.ProtectionChange) (*controlpb.ProtectionReply, error) {
		return c.client.Protection(ctx, &controlpb.ProtectionRequest{Change: change, Name: worker, Password: workerPassword})
	}
	reply, err := ask(controlpb.ProtectionChange_PROTECTION_CHANGE_UNSPECIFIED)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(reply.Principals, func(p *controlpb.Principal) bool { return p.Name == worker })
	if i < 0 {
		_, err = ask(controlpb.ProtectionChange_PROTECTION_CHANGE_NEW_USER)
	}
	if err == nil && (i < 0 || !reply.Principals[i].Password) {
		_, err = ask(controlpb.ProtectionChange_PROTECTION_CHANGE_PASSWORD)
	}
	return wire.FromError("make a user", err)
}

func (c codasrvHere) makeUser(ctx context.Context) error {
	there := errors.New("there is the user")
	err := c.server.ChangeProtection(ctx, func(db *auth.Database) (*auth.Database, error) {
		if db.Find(worker) != 0 {
			return nil, there
		}
		password, err := auth.NewPassword(workerPassword, simulatedPassword(), c.entropy)
		if err != nil {
			return nil, err
		}
		if db, err = db.NewUser(worker); err != nil {
			return nil, err
		}
		return db.SetPassword(worker, password)
	})
	if errors.Is(err, there) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making a user: %w", err)
	}
	return nil
}

// simulatedPassword is what it costs to check a password in a simulation, where time passes only when nobody computes.
func simulatedPassword() auth.Cost { return auth.Cost{Time: 1, Memory: 8} }
