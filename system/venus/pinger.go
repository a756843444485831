package venus

import (
	"context"
	"sync"
	"time"

	"github.com/codastress/codastress/system/wire/vicepb"
)

// pinger sends pings on a session and remembers when: a lease counts from the sending. It sends acknowledgements, too.
type pinger struct {
	stream  vicepb.Vice_CallbacksClient
	sending sync.Mutex

	mu   sync.Mutex
	last uint64
	sent map[uint64]time.Time
}

// run sends a ping at once and then at each interval, until the context ends or the stream is broken, which its reader notices.
func (p *pinger) run(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		p.mu.Lock()
		p.last++
		n := p.last
		p.sent[n] = time.Now()
		p.mu.Unlock()
		if err := p.send(&vicepb.CallbackRequest{Part: &vicepb.CallbackRequest_Ping{Ping: n}}); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// acknowledge tells the server that a break was processed.
func (p *pinger) acknowledge(number uint64) error {
	return p.send(&vicepb.CallbackRequest{Part: &vicepb.CallbackRequest_Acknowledged{Acknowledged: number}})
}

func (p *pinger) send(m *vicepb.CallbackRequest) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	return p.stream.Send(m)
}

// take gives the time at which a ping was sent, and forgets it and those before it.
func (p *pinger) take(n uint64) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent, ok := p.sent[n]
	for k := range p.sent {
		if k <= n {
			delete(p.sent, k)
		}
	}
	return sent, ok
}
