package vice

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

type reintegrateStream = grpc.ClientStreamingServer[vicepb.ReintegrateRequest, vicepb.ReintegrateReply]

// Reintegrate receives a batch whole, with its contents on disk, and only then takes its turn as a writer.
func (s *Server) Reintegrate(stream reintegrateStream) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if err != nil {
		return fmt.Errorf("receive the head of a batch: %w", err)
	}
	batch, err := wire.BatchFromProto(first.GetHead())
	if err != nil {
		return err
	}
	about(ctx, batch.Client)
	if _, err := s.known(ctx, batch.Volume); err != nil {
		return err
	}
	done, err := s.answered(batch)
	if err == nil {
		err = s.takeTransfer(ctx, batch.Last > done)
	}
	if err != nil {
		return err
	}
	defer func() { <-s.transfer }()
	up := newUploads(s.store, s.row.epoch, &s.contents, s.cfg.Limits)
	defer func() {
		if err := up.discard(); err != nil {
			s.cfg.Log.Warn("remove contents that were not committed", "err", err)
		}
	}()
	records, err := s.receiveRecords(stream, batch, done, up)
	if err != nil {
		return fmt.Errorf("receive a batch: %w", err)
	}
	waiting(ctx, "sync of contents")
	if err := up.sync(); err != nil {
		return err
	}
	answer, err := s.commit(ctx, s.caller, batch, records, up)
	if err != nil {
		return err
	}
	if room := s.room(batch.Volume); room.Bounded() {
		room.Counted = batch.Last
		answer.Room = &room
	}
	return stream.SendAndClose(wire.AnswerToProto(answer))
}

// takeTransfer waits until data may be received, if the disk has room for them. A batch that was answered before needs none.
func (s *Server) takeTransfer(ctx context.Context, room bool) error {
	usage, err := s.cfg.Disk.GetDiskUsage(s.cfg.Dir)
	if room && err == nil && usage.AvailBytes < s.cfg.Limits.Free {
		return coda.Errorf("reintegrate", coda.NoSpace, "the disk has %d bytes left", usage.AvailBytes)
	}
	waiting(ctx, "other transfers")
	defer waiting(ctx, "")
	select {
	case s.transfer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for other transfers: %w", context.Cause(ctx))
	}
}

// receiveRecords receives the records of a batch, and the contents into up. Contents of records up to done, which were answered before, are passed over.
func (s *Server) receiveRecords(stream reintegrateStream, batch wire.Batch, done uint64, up *uploads) ([]coda.Record, error) {
	waiting(stream.Context(), "data from the client")
	var records []coda.Record
	last := batch.First - 1
	var request vicepb.ReintegrateRequest
	var contents vicepb.ReintegrateRequest_Data // whose memory all contents take
	for {
		request.Part = &contents
		err := stream.RecvMsg(&request)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch part := request.Part.(type) {
		case *vicepb.ReintegrateRequest_Data:
			if last <= done && len(records) > 0 {
				continue
			}
			err = up.write(part.Data)
		case *vicepb.ReintegrateRequest_Record:
			if err = up.end(); err != nil {
				break
			}
			var r coda.Record
			if r, err = s.acceptRecord(part.Record, batch, last, len(records)); err != nil {
				break
			}
			last = r.Number
			records = append(records, r)
			if o, ok := r.Operation.(coda.Store); ok && r.Number > done {
				err = up.begin(r.Number, o)
			}
		default:
			err = coda.Errorf("reintegrate", coda.Invalid, "a %T among the records", part)
		}
		if err != nil {
			return nil, err
		}
	}
	if last != batch.Last {
		return nil, coda.Errorf("reintegrate", coda.Invalid, "the records end at %d and not at %d", last, batch.Last)
	}
	return records, up.end()
}

// acceptRecord decodes the next record of a batch, of which there have been count, up to number last.
func (s *Server) acceptRecord(p *vicepb.Record, batch wire.Batch, last uint64, count int) (coda.Record, error) {
	r, err := wire.RecordFromProto(p)
	switch {
	case err != nil:
		return coda.Record{}, err
	case r.Number <= last || r.Number > batch.Last:
		return coda.Record{}, coda.Errorf("reintegrate", coda.Invalid, "record %d after record %d in a batch up to %d", r.Number, last, batch.Last)
	case count >= s.cfg.Limits.Records:
		return coda.Record{}, coda.Errorf("reintegrate", coda.Invalid, "more than %d records", s.cfg.Limits.Records)
	}
	return r, nil
}

// answered is the number of the last record of the client that was answered.
func (s *Server) answered(batch wire.Batch) (uint64, error) {
	v, _, _ := s.promises.read(0)
	defer v.release()
	row, err := getReplay(v, batch.Volume, batch.Client)
	return row.last, err
}
