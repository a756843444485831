package wire

import (
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Limits of single messages that both sides keep.
const (
	// MaxMessage is the largest message, in bytes, that a server accepts.
	MaxMessage = 4 << 20
	// MaxReply is the largest message, in bytes, that a client accepts: more, since the status of a symlink holds its target.
	MaxReply = 32 << 20
	// MaxPiece is the largest piece of file contents in one message, in bytes.
	MaxPiece = 1 << 20
	// MaxEntries is the largest number of entries in one message of a directory's contents.
	MaxEntries = 4096
	// MaxCertify is the largest number of records in one Certify.
	MaxCertify = 1000

	// MaxValidate is the largest number of items in one Validate.
	MaxValidate = 4096
	// MaxAllocate is the largest number of vnode numbers that one call grants.
	MaxAllocate = 65536
)

// Batch is the head of a reintegration.
type Batch struct {
	Client  coda.ClientID
	Session uint64 // of the client's Callbacks stream, 0 for none
	Volume  uint32
	First   uint64 // the number of the first record
	Last    uint64 // the number of the last record

	Connected bool // a single operation whose caller waits for the answer, not a log
}

// BatchToProto encodes the head of a reintegration.
func BatchToProto(b Batch) *vicepb.ReintegrateHead {
	return &vicepb.ReintegrateHead{Client: ClientIDToProto(b.Client), Session: b.Session, Volume: b.Volume, First: b.First, Last: b.Last, Connected: b.Connected}
}

// BatchFromProto decodes the head of a reintegration.
func BatchFromProto(p *vicepb.ReintegrateHead) (Batch, error) {
	c, err := ClientIDFromProto(p.GetClient())
	if err != nil {
		return Batch{}, within("batch", err)
	}
	b := Batch{Client: c, Session: p.Session, Volume: p.Volume, First: p.First, Last: p.Last, Connected: p.Connected}
	if b.Volume == 0 || b.First == 0 || b.First > b.Last {
		return Batch{}, invalid("batch", "volume %d, records %d to %d", b.Volume, b.First, b.Last)
	}
	return b, nil
}

// Answer is what a server says to a batch.
type Answer struct {
	Done     uint64         // every record up to this number has been answered for good
	Refusals []coda.Refusal // in order of their numbers
	Changed  []Changed      // every object that the batch changed and that still exists
	Breaks   uint64         // the number of the last break sent to the session when the batch was committed
	Room     *coda.Room     // of the batch's volume, nil where it has no quota
}

// Changed is an object that a batch changed.
type Changed struct {
	Status   coda.Status
	Before   coda.VersionVector // its version before the batch, zero for an object that the batch made
	Promised bool               // the session will be told when the object changes from here on
}

// AnswerToProto encodes the answer to a batch.
func AnswerToProto(a Answer) *vicepb.ReintegrateReply {
	p := &vicepb.ReintegrateReply{Done: a.Done, Breaks: a.Breaks, Refusals: RefusalsToProto(a.Refusals)}
	if a.Room != nil {
		p.Room = RoomToProto(*a.Room)
	}
	for _, c := range a.Changed {
		p.Changed = append(p.Changed, StatusToProto(c.Status))
		p.Details = append(p.Details, &vicepb.ChangedDetail{Before: VersionToProto(c.Before), Promised: c.Promised})
	}
	return p
}

// AnswerFromProto decodes the answer to a batch.
func AnswerFromProto(p *vicepb.ReintegrateReply) (Answer, error) {
	a := Answer{Done: p.GetDone(), Breaks: p.GetBreaks()}
	if len(p.GetDetails()) != len(p.GetChanged()) {
		return Answer{}, invalid("answer", "%d details of %d changed objects", len(p.GetDetails()), len(p.GetChanged()))
	}
	if p.GetRoom() != nil {
		room := RoomFromProto(p.Room)
		a.Room = &room
	}
	var err error
	if a.Refusals, err = RefusalsFromProto(p.GetRefusals()); err != nil {
		return Answer{}, err
	}
	for i, s := range p.GetChanged() {
		status, err := StatusFromProto(s)
		if err != nil {
			return Answer{}, within("answer", err)
		}
		before, err := VersionFromProto(p.Details[i].GetBefore())
		if err != nil {
			return Answer{}, within("answer", err)
		}
		a.Changed = append(a.Changed, Changed{Status: status, Before: before, Promised: p.Details[i].GetPromised()})
	}
	return a, nil
}

// RoomToProto encodes what a volume may hold and holds.
func RoomToProto(r coda.Room) *vicepb.Room {
	return &vicepb.Room{
		Volume: r.Volume, Number: r.Number, QuotaBytes: r.QuotaBytes, QuotaObjects: r.QuotaObjects,
		UsedBytes: r.UsedBytes, UsedObjects: r.UsedObjects, Counted: r.Counted,
	}
}

// RoomFromProto decodes what a volume may hold and holds. Nothing about it can be wrong by itself.
func RoomFromProto(p *vicepb.Room) coda.Room {
	return coda.Room{
		Volume: p.GetVolume(), Number: p.GetNumber(), QuotaBytes: p.GetQuotaBytes(), QuotaObjects: p.GetQuotaObjects(),
		UsedBytes: p.GetUsedBytes(), UsedObjects: p.GetUsedObjects(), Counted: p.GetCounted(),
	}
}

// RefusalsToProto encodes refusals.
func RefusalsToProto(list []coda.Refusal) []*vicepb.Refusal {
	var p []*vicepb.Refusal
	for _, r := range list {
		p = append(p, &vicepb.Refusal{Number: r.Number, Kind: vicepb.ErrorKind(r.Kind), Why: printable(r.Why)})
	}
	return p
}

// RefusalsFromProto decodes refusals, which must be in the order of their records.
func RefusalsFromProto(p []*vicepb.Refusal) ([]coda.Refusal, error) {
	var list []coda.Refusal
	for _, r := range p {
		kind, err := errorKindFromProto(r.GetKind())
		if err != nil {
			return nil, within("refusal", err)
		}
		if n := len(list); n > 0 && r.Number <= list[n-1].Number {
			return nil, invalid("refusal", "record %d after record %d", r.Number, list[n-1].Number)
		}
		list = append(list, coda.Refusal{Number: r.Number, Kind: kind, Why: r.Why})
	}
	return list, nil
}

// errorKindFromProto decodes the kind of an error.
func errorKindFromProto(p vicepb.ErrorKind) (coda.ErrorKind, error) {
	if p <= 0 || p > vicepb.ErrorKind(coda.MaxErrorKind) {
		return 0, invalid("kind of error", "%d is none", int32(p))
	}
	return coda.ErrorKind(p), nil
}

// EntriesToProto encodes entries for one message; the caller keeps to MaxEntries.
func EntriesToProto(entries []coda.Entry) *vicepb.Entries {
	p := &vicepb.Entries{Entries: make([]*vicepb.Entry, len(entries))}
	for i, e := range entries {
		p.Entries[i] = EntryToProto(e)
	}
	return p
}

// EntriesFromProto decodes the entries of one message.
func EntriesFromProto(p *vicepb.Entries) ([]coda.Entry, error) {
	entries := make([]coda.Entry, len(p.GetEntries()))
	for i, e := range p.GetEntries() {
		var err error
		if entries[i], err = EntryFromProto(e); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// ChangeToProto encodes the change of a directory.
func ChangeToProto(c coda.DirectoryChange) *vicepb.DirectoryChange {
	p := &vicepb.DirectoryChange{From: VersionToProto(c.From), Status: StatusToProto(c.Status)}
	if !c.FromDigest.IsZero() {
		p.FromDigest = append([]byte(nil), c.FromDigest[:]...)
	}
	for _, name := range c.Removed {
		p.Removed = append(p.Removed, []byte(name))
	}
	for _, e := range c.Added {
		p.Added = append(p.Added, EntryToProto(e))
	}
	return p
}

// ChangeFromProto decodes the change of a directory.
func ChangeFromProto(p *vicepb.DirectoryChange) (coda.DirectoryChange, error) {
	var c coda.DirectoryChange
	var err error
	if c.From, err = VersionFromProto(p.GetFrom()); err != nil {
		return coda.DirectoryChange{}, within("change", err)
	}
	if c.Status, err = StatusFromProto(p.GetStatus()); err != nil {
		return coda.DirectoryChange{}, within("change", err)
	}
	if c.Status.Kind != coda.Directory {
		return coda.DirectoryChange{}, invalid("change", "%v is not a directory", c.Status.Fid)
	}
	if c.FromDigest, err = digestFromProto(p.GetFromDigest(), coda.Directory); err != nil {
		return coda.DirectoryChange{}, within("change", err)
	}
	for _, b := range p.Removed {
		name, err := nameFromProto(b)
		if err != nil {
			return coda.DirectoryChange{}, within("change", err)
		}
		c.Removed = append(c.Removed, name)
	}
	for _, e := range p.Added {
		entry, err := EntryFromProto(e)
		if err != nil {
			return coda.DirectoryChange{}, within("change", err)
		}
		if entry.Fid.Volume != c.Status.Fid.Volume {
			return coda.DirectoryChange{}, invalid("change", "%v is in another volume", entry.Fid)
		}
		c.Added = append(c.Added, entry)
	}
	return c, nil
}

// Break ends the promise on an object, or carries the change of a directory whose promise stays.
type Break struct {
	Number uint64 // rises by one in a session
	Fid    coda.Fid
	Change *coda.DirectoryChange // nil: the object must be validated or fetched again
}

// BreakToProto encodes a break.
func BreakToProto(b Break) *vicepb.Break {
	p := &vicepb.Break{Number: b.Number, Fid: FidToProto(b.Fid)}
	if b.Change != nil {
		p.Change = ChangeToProto(*b.Change)
	}
	return p
}

// BreakFromProto decodes a break.
func BreakFromProto(p *vicepb.Break) (Break, error) {
	f, err := FidFromProto(p.GetFid())
	if err != nil {
		return Break{}, within("break", err)
	}
	b := Break{Number: p.Number, Fid: f}
	if p.Number == 0 {
		return Break{}, invalid("break", "it has number 0")
	}
	if p.Change != nil {
		c, err := ChangeFromProto(p.Change)
		if err != nil {
			return Break{}, within("break", err)
		}
		if c.Status.Fid != f {
			return Break{}, invalid("break", "of %v with the change of %v", f, c.Status.Fid)
		}
		b.Change = &c
	}
	return b, nil
}

// Validity is what a server says about one item of a Validate.
type Validity struct {
	Answer   vicepb.ValidateResult_Answer
	Promised bool
	Status   coda.Status // when stale
}

// ValidityToProto encodes what the server says about one item.
func ValidityToProto(v Validity) *vicepb.ValidateResult {
	p := &vicepb.ValidateResult{Answer: v.Answer, Promised: v.Promised}
	if v.Answer == vicepb.ValidateResult_ANSWER_STALE {
		p.Status = StatusToProto(v.Status)
	}
	return p
}

// ValidityFromProto decodes what the server says about the item with this fid.
func ValidityFromProto(p *vicepb.ValidateResult, f coda.Fid) (Validity, error) {
	v := Validity{Answer: p.GetAnswer(), Promised: p.GetPromised()}
	switch v.Answer {
	case vicepb.ValidateResult_ANSWER_CURRENT, vicepb.ValidateResult_ANSWER_GONE, vicepb.ValidateResult_ANSWER_DENIED:
		return v, nil
	case vicepb.ValidateResult_ANSWER_STALE:
		s, err := StatusFromProto(p.Status)
		if err != nil {
			return Validity{}, within("validity", err)
		}
		if s.Fid != f {
			return Validity{}, invalid("validity", "of %v with the status of %v", f, s.Fid)
		}
		v.Status = s
		return v, nil
	default:
		return Validity{}, invalid("validity", "answer %d is none", int32(v.Answer))
	}
}
