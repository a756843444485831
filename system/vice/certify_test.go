package vice_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Certify answers what Reintegrate would, and changes nothing.
func TestCertify(t *testing.T) {
	s := vicetest.Start(t)
	w := newWorld(t, s)
	before := s.Tree()
	made := w.me.NewFid(coda.File)
	records := []coda.Operation{
		coda.Store{Fid: w.file.Fid, Base: w.file.Version, Digest: coda.EmptyDigest()},
		coda.Store{Fid: w.other.Fid, Base: old, Digest: coda.EmptyDigest()},
		coda.Create{Parent: coda.RootFid(w.file.Fid.Volume), Name: "certified", Fid: made, Mode: 0o600},
		coda.Store{Fid: made, Base: coda.VersionVector{Store: coda.StoreID{Client: w.me.ID, Number: 103}}, Digest: coda.EmptyDigest()},
		coda.Create{Parent: coda.RootFid(w.file.Fid.Volume), Name: "certified", Fid: w.me.NewFid(coda.File), Mode: 0o600},
	}
	request := &vicepb.CertifyRequest{Client: wire.ClientIDToProto(w.me.ID), Volume: w.file.Fid.Volume}
	for i, op := range records {
		request.Records = append(request.Records, wire.RecordToProto(coda.Record{Number: uint64(101 + i), Time: 1, Operation: op}))
	}
	for range 2 {
		reply, err := w.me.Vice.Certify(t.Context(), request)
		require.NoError(t, err)
		refusals, err := wire.RefusalsFromProto(reply.Refusals)
		require.NoError(t, err)
		require.Len(t, refusals, 2)
		require.Equal(t, []uint64{102, 105}, []uint64{refusals[0].Number, refusals[1].Number})
		require.Equal(t, []coda.ErrorKind{coda.Conflict, coda.Exists}, []coda.ErrorKind{refusals[0].Kind, refusals[1].Kind})
	}
	require.Equal(t, before, s.Tree())
	request.Records[1] = request.Records[0]
	_, err := w.me.Vice.Certify(t.Context(), request)
	require.ErrorIs(t, err, coda.Invalid)
	request.Records = make([]*vicepb.Record, wire.MaxCertify+1)
	_, err = w.me.Vice.Certify(t.Context(), request)
	require.ErrorIs(t, err, coda.Invalid)
}
