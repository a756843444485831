package vice

import (
	"context"
	"slices"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Validate compares versions and renews promises. Every answer is about the same moment.
func (s *Server) Validate(ctx context.Context, request *vicepb.ValidateRequest) (*vicepb.ValidateReply, error) {
	if n := len(request.Items); n > wire.MaxValidate {
		return nil, coda.Errorf("validate", coda.Invalid, "%d items, at most %d are allowed", n, wire.MaxValidate)
	}
	fids := make([]coda.Fid, len(request.Items))
	versions := make([]coda.VersionVector, len(request.Items))
	for i, item := range request.Items {
		var err error
		if fids[i], err = wire.FidFromProto(item.GetFid()); err != nil {
			return nil, err
		}
		if versions[i], err = wire.VersionFromProto(item.GetVersion()); err != nil {
			return nil, err
		}
		unlock, err := s.policies.locking.read(ctx, fids[i])
		if err != nil {
			return nil, err
		}
		unlock()
	}
	who, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	denied, err := s.denied(who, fids)
	if err != nil {
		return nil, err
	}
	v, breaks, promised := s.promises.read(request.Session, without(fids, denied)...)
	defer v.release()
	rights := s.inquestFor(who, v)
	reply := &vicepb.ValidateReply{Breaks: breaks, Results: make([]*vicepb.ValidateResult, len(fids))}
	var gone, lost []coda.Fid
	for i, f := range fids {
		if denied[f] {
			reply.Results[i] = wire.ValidityToProto(wire.Validity{Answer: vicepb.ValidateResult_ANSWER_DENIED})
			continue
		}
		found, err := getVnode(v, f)
		if err != nil {
			return nil, err
		}
		result := wire.Validity{Answer: vicepb.ValidateResult_ANSWER_CURRENT, Promised: promised[0]}
		promised = promised[1:]
		switch {
		case found == nil:
			gone = append(gone, f)
			result = wire.Validity{Answer: vicepb.ValidateResult_ANSWER_GONE}
		case rights.mayRead(found, false) != nil:
			lost = append(lost, f)
			result = wire.Validity{Answer: vicepb.ValidateResult_ANSWER_DENIED}
		case found.status.Version.Compare(versions[i]) != coda.Equal:
			result.Answer, result.Status = vicepb.ValidateResult_ANSWER_STALE, found.status
		}
		reply.Results[i] = wire.ValidityToProto(result)
	}
	s.promises.retract(request.Session, gone...)
	s.promises.takeBack(request.Session, lost...)
	return reply, nil
}

// denied says which objects somebody may not know anything about. Nothing is promised about them.
func (s *Server) denied(who *coda.Identity, fids []coda.Fid) (map[coda.Fid]bool, error) {
	if !s.restricted.Load() {
		return nil, nil
	}
	v, _, _ := s.promises.read(0)
	defer v.release()
	rights := s.inquestFor(who, v)
	denied := map[coda.Fid]bool{}
	for _, f := range fids {
		found, err := getVnode(v, f)
		if err != nil {
			return nil, err
		}
		if found != nil && rights.mayRead(found, false) != nil {
			denied[f] = true
		}
	}
	return denied, nil
}

func without(fids []coda.Fid, out map[coda.Fid]bool) []coda.Fid {
	if len(out) == 0 {
		return fids
	}
	return slices.DeleteFunc(slices.Clone(fids), func(f coda.Fid) bool { return out[f] })
}
