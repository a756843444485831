package vice

import (
	"maps"
	"time"

	"github.com/codastress/codastress/system/wire/vicepb"
)

// Counters say what the server is doing and has done since it was opened.
type Counters struct {
	Sessions int               // of clients
	Promises int               // made to them and not broken
	Running  int               // requests that are being served, sessions not counted
	Oldest   time.Duration     // age of the oldest of these
	Requests map[string]uint64 // that came, by the full names of their methods
	Volumes  []VolumeUse
}

// VolumeUse is what a volume holds.
type VolumeUse struct {
	Name string
	Used Quota
}

// Counters gives the server's figures.
func (s *Server) Counters() Counters {
	c := Counters{}
	s.promises.mu.Lock()
	c.Sessions = len(s.promises.sessions)
	for _, session := range s.promises.sessions {
		c.Promises += len(session.promised)
	}
	s.promises.mu.Unlock()
	s.calls.count(&c)
	for _, v := range s.locations.Load().volumes {
		c.Volumes = append(c.Volumes, VolumeUse{v.Name, s.used.of(v.ID)})
	}
	return c
}

func (c *calls) count(into *Counters) {
	c.mu.Lock()
	defer c.mu.Unlock()
	into.Requests = maps.Clone(c.served)
	for l := range c.live {
		if l.method == vicepb.Vice_Callbacks_FullMethodName {
			continue
		}
		into.Running++
		into.Oldest = max(into.Oldest, time.Since(l.started))
	}
}
