package vice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// joinAttempts is how often a replica's state is read again when it has moved on while contents were fetched from it.
const joinAttempts = 10

// errMovedOn is the failure of a join whose contents are not there any more.
var errMovedOn = errors.New("the other replica has moved on")

// join makes this replica's state the join of its own and another one's, and returns when that is durable.
func (s *Server) join(ctx context.Context, p *replica, also []coda.Fid) error {
	_, err := s.joinTelling(ctx, p, also)
	return err
}

// joinTelling is join, and tells of which of the settled objects the other replica has counted less than this one has now.
func (s *Server) joinTelling(ctx context.Context, p *replica, also []coda.Fid) (behind []coda.Fid, err error) {
	if err := p.joining.take(ctx, "a join"); err != nil {
		return nil, err
	}
	defer p.joining.give()
	pool := &fetchedContents{s: s, peer: p, by: map[coda.Fid]upload{}}
	defer pool.discard()
	for range joinAttempts {
		if behind, err = s.joinOnce(ctx, p, also, pool); !errors.Is(err, errMovedOn) {
			break
		}
	}
	return behind, err
}

func (s *Server) joinOnce(ctx context.Context, p *replica, also []coda.Fid, pool *fetchedContents) (behind []coda.Fid, err error) {
	filling, err := s.filling()
	if err != nil {
		return nil, err
	}
	request := &peerpb.UnsettledRequest{Everything: filling}
	for _, f := range also {
		request.Also = append(request.Also, wire.FidToProto(f))
	}
	s.asking.Add(1)
	defer s.asking.Add(-1)
	asked, err := s.ask(ctx, p, request)
	if err != nil {
		return nil, err
	}
	if err := s.takeLocations(ctx, asked.locations); err != nil {
		return nil, err
	}
	asked.within(s.locations.Load())
	if err := s.fetchWanted(ctx, asked.peerState, pool); err != nil {
		return nil, err
	}
	return s.commitJoin(ctx, asked, pool)
}

// askedState is another replica's state as it was asked for.
type askedState struct {
	*peerState
	everywhere map[batchID]bool // batches that this replica knew all to have, before it asked
}

// ask asks for another replica's state.
func (s *Server) ask(ctx context.Context, p *replica, request *peerpb.UnsettledRequest) (asked askedState, err error) {
	list, err := s.waitingBatches()
	if err != nil {
		return asked, err
	}
	asked.everywhere = map[batchID]bool{}
	for _, b := range list {
		if b.everywhere {
			asked.everywhere[b.batchID] = true
		}
	}
	waiting(ctx, fmt.Sprintf("the state of slot %d", p.slot))
	asked.peerState, err = receiveState(ctx, p.service, p.slot, request)
	return asked, err
}

// outdated reports whether there is a batch that all are known to have only since the other replica was asked, and which its state does not have. Of others
// that are missing there it is sure that the other replica had them, and has forgotten them; of this one it would be taken for an update of its own that
// has undone it.
func (a askedState) outdated(local *knowledge) bool {
	for id, b := range local.batches {
		if b.everywhere && !a.everywhere[id] && a.known.batches[id] == nil {
			return true
		}
	}
	return false
}

// fetchWanted fetches the contents that the join needs, as far as this replica's present state tells.
func (s *Server) fetchWanted(ctx context.Context, remote *peerState, pool *fetchedContents) error {
	v, _, _ := s.promises.read(0)
	defer v.release()
	j, err := newJoin(v, s.ground(), remote, pool.by)
	if err == nil {
		err = j.work()
	}
	if err != nil {
		return err
	}
	waiting(ctx, fmt.Sprintf("contents from slot %d", remote.slot))
	return pool.fetch(ctx, j.wanted)
}

// commitJoin works the join out on top of the newest state and makes it durable. It lists the settled objects of which the other replica has counted less.
func (s *Server) commitJoin(ctx context.Context, asked askedState, pool *fetchedContents) (behind []coda.Fid, err error) {
	remote := asked.peerState
	if err := s.writer.take(ctx, fmt.Sprintf("the join of slot %d", remote.slot)); err != nil {
		return nil, err
	}
	defer s.writer.give()
	base, _, _ := s.promises.read(0)
	defer base.release()
	remote.within(s.locations.Load())
	j, err := newJoin(base, s.ground(), remote, pool.by)
	if err == nil {
		err = j.work()
	}
	if err != nil {
		return nil, err
	}
	if len(j.wanted) > 0 || asked.outdated(j.local) {
		return nil, errMovedOn
	}
	b := s.store.db.NewBatch()
	defer b.Close()
	err = j.writeRows(b)
	j.hush()
	if err == nil {
		err = s.writeFilled(b, base, remote)
	}
	if err != nil {
		return nil, err
	}
	if err := s.policies.breaking.before(ctx, j.transaction, 0); err != nil {
		return nil, err
	}
	up := pool.uploads()
	taken, garbage, err := j.write(b, up.arrived)
	if err != nil {
		return nil, &coda.Error{Op: "write a join", Kind: coda.IO, Err: err}
	}
	if b.Count() == 0 {
		return j.out.behind, nil
	}
	s.store.commit(b)
	s.made(j.transaction, 0, &wire.Answer{}, up, taken, garbage)
	pool.hand(taken)
	return j.out.behind, nil
}

// fetchedContents are contents that have come from another replica for a join.
type fetchedContents struct {
	s    *Server
	peer *replica
	by   map[coda.Fid]upload
}

// parallelFetches is how many files are fetched from another replica at once.
const parallelFetches = 8

// fetch fetches the contents of files, in the versions that the statuses say.
func (c *fetchedContents) fetch(ctx context.Context, wanted map[coda.Fid]coda.Status) error {
	list := slices.SortedFunc(maps.Keys(wanted), coda.Fid.Compare)
	fetchers := make([]*uploads, parallelFetches)
	g, ctx := errgroup.WithContext(ctx)
	limits := c.s.cfg.Limits
	limits.InlineBatch /= parallelFetches
	for i := range fetchers {
		up := newUploads(c.s.store, c.s.row.epoch, &c.s.contents, limits)
		fetchers[i] = up
		g.Go(func() error {
			for n := i; n < len(list); n += parallelFetches {
				if err := c.fetchOne(ctx, up, uint64(n), wanted[list[n]]); err != nil {
					return err
				}
			}
			return up.sync()
		})
	}
	err := g.Wait()
	for _, up := range fetchers {
		if err != nil {
			err = errors.Join(err, up.discard())
			continue
		}
		for _, a := range up.arrived {
			a.digest = wanted[a.fid].Digest
			if old, ok := c.by[a.fid]; ok {
				err = errors.Join(err, c.remove(old))
			}
			c.by[a.fid] = a
		}
	}
	return err
}

func (c *fetchedContents) fetchOne(ctx context.Context, up *uploads, number uint64, want coda.Status) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.peer.service.Fetch(ctx, &vicepb.FetchRequest{Fid: wire.FidToProto(want.Fid), Contents: true})
	if err != nil {
		return fmt.Errorf("fetch %v: %w", want.Fid, err)
	}
	first, err := stream.Recv()
	if coda.KindOf(err) == coda.NotFound && err != nil {
		return errMovedOn
	}
	if err != nil {
		return fmt.Errorf("fetch %v: %w", want.Fid, err)
	}
	status, err := wire.StatusFromProto(first.GetHead().GetStatus())
	if err != nil {
		return err
	}
	if status.Digest != want.Digest || status.Length != want.Length {
		return errMovedOn
	}
	if err := up.begin(number, coda.Store{Fid: want.Fid, Length: want.Length, Digest: want.Digest}); err != nil {
		return err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return up.end()
		}
		if err == nil {
			err = up.write(part.GetData())
		}
		if err != nil {
			return fmt.Errorf("fetch %v: %w", want.Fid, err)
		}
	}
}

// uploads gives what has been fetched in the form in which a transaction takes it.
func (c *fetchedContents) uploads() *uploads {
	up := newUploads(c.s.store, c.s.row.epoch, &c.s.contents, c.s.cfg.Limits)
	for i, f := range slices.SortedFunc(maps.Keys(c.by), coda.Fid.Compare) {
		up.arrived[uint64(i)] = c.by[f]
	}
	return up
}

// hand forgets what objects have taken over.
func (c *fetchedContents) hand(taken map[uint64]upload) {
	for _, a := range taken {
		delete(c.by, a.fid)
	}
}

// discard removes what nobody has taken over.
func (c *fetchedContents) discard() {
	for _, a := range c.by {
		if err := c.remove(a); err != nil {
			c.s.cfg.Log.Warn("remove contents that a join did not need", "fid", a.fid, "err", err)
		}
	}
}

func (c *fetchedContents) remove(a upload) error {
	if a.content.place != inContainer {
		return nil
	}
	return c.s.store.containers.remove(a.fid, a.content.id)
}
