package vice

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/peerpb"
)

// Two things are made by the server in slot 0 alone and are the same on all: the users and groups, and the volume location database. It tells the others of
// a new version, and those that do not hear it ask.

// tellTime bounds the telling of one other server.
const tellTime = 3 * time.Second

// mayMake refuses to make what only the server in slot 0 makes, and only when it knows what there was before.
func (s *Server) mayMake(what string) error {
	if s.cfg.Replication.Slot != 0 {
		return coda.Errorf("change "+what, coda.Unsupported, "that is done on the server in slot 0")
	}
	filling, err := s.filling()
	if err != nil {
		return err
	}
	if filling {
		return coda.Errorf("change "+what, coda.Busy, "the server has lost its disk or is new, and has not heard from the others yet")
	}
	return nil
}

// cell is what this server has, to be told or only to be compared.
func (s *Server) cell(tell bool) *peerpb.CellRequest {
	known := s.locations.Load().encode()
	sum := sha256.Sum256(known)
	request := &peerpb.CellRequest{ProtectionVersion: s.protection.version(), LocationsVersion: s.locations.Load().version, LocationsDigest: sum[:]}
	if !tell {
		return request
	}
	request.Locations = known
	if db := s.protection.current.Load(); db != nil {
		request.Protection = db.Encode()
	}
	return request
}

// tellCell gives what this server has to the other servers, as far as they can be reached.
func (s *Server) tellCell(ctx context.Context) {
	request := s.cell(true)
	_ = s.eachPeer(ctx, func(ctx context.Context, p *replica) error {
		_, err := p.service.Cell(ctx, request)
		if err != nil {
			s.cfg.Log.Info("another server could not be told of users, groups and volumes, and will ask", "slot", p.slot, "err", err)
		}
		return err
	})
}

// eachPeer does something with all other servers at once, each within tellTime.
func (s *Server) eachPeer(ctx context.Context, do func(context.Context, *replica) error) error {
	errs := make([]error, len(s.peers))
	var done sync.WaitGroup
	for i, p := range s.peers {
		done.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, tellTime)
			defer cancel()
			errs[i] = do(ctx, p)
		})
	}
	done.Wait()
	return errors.Join(errs...)
}

// askCell takes over from another server what is newer there.
func (s *Server) askCell(ctx context.Context, p *replica) error {
	reply, err := p.service.Cell(ctx, s.cell(false))
	if err != nil {
		return err
	}
	return s.takeCell(ctx, reply.Protection, reply.Locations)
}

// takeCell takes over what another server has said, where it is newer. Either may be empty.
func (s *Server) takeCell(ctx context.Context, protection, locations []byte) error {
	if len(protection) > 0 {
		db, err := auth.Decode(protection)
		if err == nil {
			err = s.takeProtection(ctx, db)
		}
		if err != nil {
			return err
		}
	}
	if len(locations) > 0 {
		l, err := decodeLocations(locations)
		if err == nil {
			err = s.takeLocations(ctx, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Cell takes over from another server what is newer there, and gives it what is newer here.
func (p *peerService) Cell(ctx context.Context, request *peerpb.CellRequest) (*peerpb.CellReply, error) {
	if err := p.s.takeCell(ctx, request.Protection, request.Locations); err != nil {
		return nil, err
	}
	mine, reply := p.s.cell(true), &peerpb.CellReply{}
	if mine.ProtectionVersion > request.ProtectionVersion {
		reply.Protection = mine.Protection
	}
	if mine.LocationsVersion >= request.LocationsVersion && !bytes.Equal(mine.LocationsDigest, request.LocationsDigest) {
		reply.Locations = mine.Locations
	}
	return reply, nil
}
