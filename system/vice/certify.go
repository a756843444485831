package vice

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Certify applies records to a view of the volume that nobody else sees, and says which of them were refused.
func (s *Server) Certify(ctx context.Context, request *vicepb.CertifyRequest) (*vicepb.CertifyReply, error) {
	who, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	client, err := wire.ClientIDFromProto(request.Client)
	if err != nil {
		return nil, err
	}
	about(ctx, client)
	volume, err := s.known(ctx, request.Volume)
	if err != nil {
		return nil, err
	}
	if n := len(request.Records); n > wire.MaxCertify {
		return nil, coda.Errorf("certify", coda.Invalid, "%d records, at most %d are allowed", n, wire.MaxCertify)
	}
	view, _, _ := s.promises.read(0)
	defer view.release()
	t := newTransaction(view, s.ground(), batchID{volume: request.Volume, client: client}, who)
	t.within(volume, s.used.of(volume.ID))
	var refusals []coda.Refusal
	last := uint64(0)
	for _, p := range request.Records {
		r, err := wire.RecordFromProto(p)
		if err != nil {
			return nil, err
		}
		if r.Number <= last {
			return nil, coda.Errorf("certify", coda.Invalid, "record %d after record %d", r.Number, last)
		}
		last = r.Number
		refused, err := t.apply(r, nil)
		if err != nil {
			return nil, fmt.Errorf("certify record %d (%v): %w", r.Number, r.Operation, err)
		}
		if refused != nil {
			refusals = append(refusals, *refused)
		}
	}
	return &vicepb.CertifyReply{Refusals: wire.RefusalsToProto(refusals)}, nil
}
