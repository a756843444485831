package vice

import (
	"context"

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
	v, breaks, promised := s.promises.read(request.Session, fids...)
	defer v.release()
	reply := &vicepb.ValidateReply{Breaks: breaks, Results: make([]*vicepb.ValidateResult, len(fids))}
	var gone []coda.Fid
	for i, f := range fids {
		found, err := getVnode(v, f)
		if err != nil {
			return nil, err
		}
		result := wire.Validity{Answer: vicepb.ValidateResult_ANSWER_CURRENT, Promised: promised[i]}
		switch {
		case found == nil:
			gone = append(gone, f)
			result = wire.Validity{Answer: vicepb.ValidateResult_ANSWER_GONE}
		case found.status.Version.Compare(versions[i]) != coda.Equal:
			result.Answer, result.Status = vicepb.ValidateResult_ANSWER_STALE, found.status
		}
		reply.Results[i] = wire.ValidityToProto(result)
	}
	s.promises.retract(request.Session, gone...)
	return reply, nil
}
