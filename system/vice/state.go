package vice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// State describes for a person what the server is doing: sessions with their queues, who has the writer's turn, requests with their ages.
func (s *Server) State() string {
	var b strings.Builder
	fmt.Fprintf(&b, "server %v, profile %s, start %d, next vnode number %d\nclock: %s\n",
		s.row.id, s.cfg.Profile, s.row.epoch, s.next.Load(), s.cfg.Clock().UTC().Format(time.RFC3339Nano))
	fmt.Fprintf(&b, "constants: %s\n", coda.DescribeConstants(&s.cfg.Timing, &s.cfg.Limits))
	s.describeVolumes(&b)
	for _, t := range []*turn{s.writer, s.granting, s.relocating} {
		fmt.Fprintf(&b, "%s: held by %s\n", t.name, t.held())
	}
	s.policies.locking.describe(&b)
	s.describeReplicas(&b)
	fmt.Fprintf(&b, "transfers: %d of %d\n", len(s.transfer), cap(s.transfer))
	s.promises.describe(&b)
	calls := s.calls.reports()
	fmt.Fprintf(&b, "requests: %d\n", len(calls))
	for _, c := range calls {
		fmt.Fprintf(&b, "  %s %s from %s, %v old", c.operation, c.object, c.peer, c.age.Round(time.Millisecond))
		if c.waits != "" {
			fmt.Fprintf(&b, ", waits for %s", c.waits)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// describeVolumes says which volumes there are, up to a screenful.
func (s *Server) describeVolumes(b *strings.Builder) {
	l := s.locations.Load()
	fmt.Fprintf(b, "volumes: %d, version %d\n", len(l.volumes), l.version)
	for _, v := range l.volumes[:min(len(l.volumes), maxBatches)] {
		used := s.used.of(v.ID)
		fmt.Fprintf(b, "  %s (%x): %d bytes in %d objects, quotas %d and %d, locked: %v\n", v.Name, v.ID, used.Bytes, used.Objects, v.Quota.Bytes, v.Quota.Objects, v.Locked)
	}
}

// maxBatches bounds the list of unsettled batches, and that of volumes.
const maxBatches = 20

// describeReplicas says what is unsettled, and what the other servers have said about it.
func (s *Server) describeReplicas(b *strings.Builder) {
	if !s.cfg.Replication.replicated() {
		return
	}
	filling, fillErr := s.filling()
	list, err := s.waitingBatches()
	if err = errors.Join(fillErr, err); err != nil {
		fmt.Fprintf(b, "replicas: %v\n", err)
		return
	}
	fmt.Fprintf(b, "slot %d of %d, has to be filled: %v, unsettled batches: %d\n", s.cfg.Replication.Slot, s.cfg.Replication.replicas(), filling, len(list))
	for _, batch := range list[:min(len(list), maxBatches)] {
		fmt.Fprintf(b, "  records %d to %d of client %v: %d objects, waits for COP2: %v, everywhere: %v, behind: %b\n",
			batch.first, batch.last, batch.client, len(batch.objects), batch.waits(), batch.everywhere, batch.behind)
	}
	for _, p := range s.peers {
		p.mu.Lock()
		fmt.Fprintf(b, "  slot %d: %v, has %d batches, agrees on %d; joined by %s\n", p.slot, p.conn.GetState(), len(p.knows), len(p.agrees), p.joining.held())
		p.mu.Unlock()
	}
}

// describe lists the sessions, in the order in which they were opened.
func (p *promises) describe(b *strings.Builder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sessions := make([]*session, 0, len(p.sessions))
	for _, s := range p.sessions {
		sessions = append(sessions, s)
	}
	slices.SortFunc(sessions, func(x, y *session) int { return x.opened.Compare(y.opened) })
	fmt.Fprintf(b, "sessions: %d\n", len(sessions))
	for _, s := range sessions {
		fmt.Fprintf(b, "  %x client %v %q: %d events queued, %d breaks so far, %d promises, silent for %v\n",
			s.id, s.client, s.name, s.queue.length(), s.breaks, len(s.promised), s.silence().Round(time.Millisecond))
	}
}
