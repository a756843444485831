package venus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// LocalRecord describes a record of the modify log: one that is still to be sent, or one that was refused.
type LocalRecord struct {
	Record    uint64
	Operation string
	Path      string // as venus knows it, or knew it; quoted where it is not UTF-8
	Time      coda.Time
	Refused   bool
	Why       string // the server's reason
	DependsOn uint64 // of a refused one: the record that its conflict began with, 0 where it is this one
}

// localRecord is a LocalRecord with the record itself.
type localRecord struct {
	LocalRecord
	record coda.Record
}

// ListLocal lists the records about an object and what is below it, in order; a path of "" stands for the whole volume.
func (v *Venus) ListLocal(path string) []LocalRecord {
	v.mu.Lock()
	list := v.localRecords(path)
	v.mu.Unlock()
	records := make([]LocalRecord, len(list))
	for i, r := range list {
		records[i] = r.LocalRecord
	}
	return records
}

// localRecords is ListLocal. v.mu is held.
func (v *Venus) localRecords(path string) []localRecord {
	path = strings.Trim(path, "/")
	var list []localRecord
	add := func(r coda.Record, l LocalRecord) {
		if path != "" && l.Path != path && !strings.HasPrefix(l.Path, path+"/") {
			return
		}
		l.Record, l.Operation, l.Time = r.Number, r.Operation.String(), r.Time
		list = append(list, localRecord{l, r})
	}
	for _, c := range v.conflicts.all {
		for _, r := range c.records {
			l := LocalRecord{Path: r.path, Refused: true, Why: fmt.Sprintf("%v: %s", r.kind, r.why)}
			if r != c.root() {
				l.DependsOn = c.root().Number
			}
			add(r.Record, l)
		}
	}
	for r := v.log.head; r != nil; r = r.next {
		add(r.Record, LocalRecord{Path: v.pathOfRecord(r)})
	}
	slices.SortFunc(list, func(a, b localRecord) int { return cmp.Compare(a.Record, b.Record) })
	return list
}

// CheckLocal asks the server which of the records about a path it would refuse if they were sent now, those that were refused before included, and
// why. It looks at the first thousand.
func (v *Venus) CheckLocal(ctx context.Context, path string) (checked int, refused []LocalRecord, err error) {
	c := v.enter("checklocal", coda.Fid{}, path)
	defer c.leave()
	v.mu.Lock()
	list := v.localRecords(path)
	v.mu.Unlock()
	list = list[:min(len(list), wire.MaxCertify)]
	of := map[uint32][]localRecord{}
	for _, r := range list {
		volume := volumeOf(r.record)
		of[volume] = append(of[volume], r)
	}
	for volume, part := range of {
		more, err := v.certify(ctx, c, volume, part)
		if err != nil {
			return 0, nil, err
		}
		refused = append(refused, more...)
	}
	slices.SortFunc(refused, func(a, b LocalRecord) int { return cmp.Compare(a.Record, b.Record) })
	return len(list), refused, nil
}

// certify asks the server which of the records about a volume it would refuse.
func (v *Venus) certify(ctx context.Context, c *call, volume uint32, list []localRecord) (refused []LocalRecord, err error) {
	request := &vicepb.CertifyRequest{Client: wire.ClientIDToProto(v.id.Client), Volume: volume}
	byNumber := make(map[uint64]LocalRecord, len(list))
	for _, r := range list {
		request.Records = append(request.Records, wire.RecordToProto(r.record))
		byNumber[r.Record] = r.LocalRecord
	}
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Idle)
	defer cancel()
	reply, err := v.preferred().vice.Certify(wire.WithToken(ctx, v.background().token()), request)
	if err != nil {
		return nil, c.wrap(wire.FromError("certify", err))
	}
	refusals, err := wire.RefusalsFromProto(reply.Refusals)
	if err != nil {
		return nil, c.wrap(err)
	}
	for _, r := range refusals {
		l, ok := byNumber[r.Number]
		if !ok {
			return nil, c.fail(coda.Invalid, "the server answered about record %d", r.Number)
		}
		l.Why = fmt.Sprintf("%v: %s", r.Kind, r.Why)
		refused = append(refused, l)
	}
	return refused, nil
}
