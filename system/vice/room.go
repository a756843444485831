package vice

import (
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Clients know of each volume with a quota what it holds, so that they can refuse what it has no room for before its caller is told that it is done. They
// are told when that changes, and the client that has changed it hears it with the answer, in the same moment in which its log gets shorter.

// room is what a volume may hold and holds.
func (s *Server) room(volume uint32) coda.Room {
	s.used.mu.Lock()
	defer s.used.mu.Unlock()
	room := coda.Room{Volume: volume, Number: s.used.changes}
	if v := s.locations.Load().find(volume); v != nil {
		room.QuotaBytes, room.QuotaObjects = v.Quota.Bytes, v.Quota.Objects
	}
	g := s.used.by[volume]
	room.UsedBytes, room.UsedObjects = uint64(max(g.bytes, 0)), uint64(max(g.objects, 0))
	return room
}

// introduceRooms tells a new session about all volumes with quotas.
func (s *Server) introduceRooms(session *session) {
	for _, v := range s.locations.Load().volumes {
		if room := s.room(v.ID); room.Bounded() {
			s.promises.introduceRoom(session, room)
		}
	}
}

// tellRooms tells all sessions but one about the volumes with quotas that a transaction has changed.
func (s *Server) tellRooms(t *transaction, but uint64) {
	told := map[uint32]bool{}
	for f, o := range t.vnodes {
		if told[f.Volume] || o.before == o.now {
			continue
		}
		told[f.Volume] = true
		if room := s.room(f.Volume); room.Bounded() {
			s.promises.tellRoom(room, but)
		}
	}
}

// count notes that a session has seen the client's records in a volume committed, up to one of them.
func (p *promises) count(id uint64, volume uint32, last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.live(id); s != nil {
		s.counted[volume] = max(s.counted[volume], last)
	}
}

// introduceRoom tells one session what a volume holds.
func (p *promises) introduceRoom(s *session, room coda.Room) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.sendRoom(room)
}

// tellRoom tells all sessions but one what a volume holds.
func (p *promises) tellRoom(room coda.Room, but uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		if s.id != but {
			s.sendRoom(room)
		}
	}
}

// sendRoom queues what a volume holds. The caller holds promises.mu.
func (s *session) sendRoom(room coda.Room) {
	room.Counted = s.counted[room.Volume]
	s.push(&vicepb.CallbackEvent{Part: &vicepb.CallbackEvent_Room{Room: wire.RoomToProto(room)}}, 1)
}
