package vice

import (
	"context"
	"log/slog"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// patient is the breaking of Coda's server. A change waits, before it is committed and with everything locked that it concerns, until each
// client that was promised to be told has acknowledged the break, one object after the other. A client that does not answer is waited for until it
// counts as dead. Only then is it forgotten, and not when its connection ends: a datagram protocol does not notice that.
type patient struct {
	promises *promises
	death    time.Duration // how long a break is waited for
	silence  time.Duration // after which a client without a stream is forgotten
	log      *slog.Logger
	stopping context.Context
}

func (p *patient) acknowledged() bool { return true }

func (p *patient) before(ctx context.Context, t *transaction, own uint64) error {
	defer waiting(ctx, "")
	for _, o := range t.changed() {
		for s, number := range p.promises.breakNow(o.fid(), own) {
			waiting(ctx, "client "+s.name+" to acknowledge the break of "+o.fid().String())
			if err := p.await(s, number); err != nil {
				return err
			}
		}
	}
	return nil
}

// await waits until a break was acknowledged, or its client is dead.
func (p *patient) await(s *session, number uint64) error {
	dead := time.NewTimer(p.death)
	defer dead.Stop()
	for {
		acknowledged, more := s.acknowledgements()
		if acknowledged >= number {
			return nil
		}
		select {
		case <-more:
		case <-s.forgotten:
			return nil
		case <-dead.C:
			p.log.Warn("a client does not answer a break and counts as dead", "client", s.client, "name", s.name)
			p.promises.close(s)
			return nil
		case <-p.stopping.Done():
			return coda.Errorf("break a callback", coda.Closed, "the server is stopping")
		}
	}
}

// left keeps the promises. Clients that have been silent for long are forgotten.
func (p *patient) left(*session) {
	for _, s := range p.promises.silent(p.silence) {
		p.promises.close(s)
	}
}

// breakNow breaks the promises about an object, apart from that to the session of the client that changes it, and gives the numbers of the breaks.
func (p *promises) breakNow(f coda.Fid, own uint64) map[*session]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	breaks := map[*session]uint64{}
	for s := range p.holders[f] {
		if s.id != own {
			p.sendBreak(s, f, nil)
			breaks[s] = s.breaks
		}
	}
	return breaks
}

// silent lists the sessions without a stream whose clients have been silent for longer than a bound.
func (p *promises) silent(bound time.Duration) []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*session
	for _, s := range p.sessions {
		if s.ended.Err() != nil && s.silence() > bound {
			list = append(list, s)
		}
	}
	return list
}
