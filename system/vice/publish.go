package vice

import (
	"slices"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// publish makes a durable transaction visible: from here on readers see v, and every session that was promised to be told about a changed
// object has the break in its queue. The session of the client that made the changes is told by the answer instead. It fills in what
// the answer says about that session. Where rights have changed, nobody goes on being told of names in directories because he could see them before.
func (p *promises) publish(v *view, t *transaction, own uint64, a *wire.Answer, rightsChanged bool) {
	changed := t.changed()
	changes := make([]*vicepb.DirectoryChange, len(changed))
	for i, o := range changed {
		if o.before != nil && o.now != nil && o.now.status.Kind == coda.Directory && !rightsChanged {
			changes[i] = t.directoryChange(o)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.release()
	p.current = v
	author := p.live(own)
	for i, o := range changed {
		for s := range p.holders[o.fid()] {
			if s != author {
				p.sendBreak(s, o.fid(), changes[i])
			}
		}
	}
	if rightsChanged {
		p.breakDirectories(author, t)
	}
	if author == nil {
		return
	}
	for _, o := range changed {
		if o.now == nil {
			p.withdraw(author, o.fid())
		}
	}
	for i := range a.Changed {
		p.promiseAuthor(author, &a.Changed[i])
	}
	a.Breaks = author.breaks
}

// breakDirectories ends all promises about directories, but not those to the author about what he has changed. The caller holds mu.
func (p *promises) breakDirectories(author *session, t *transaction) {
	for _, s := range p.sessions {
		var directories []coda.Fid
		for f := range s.promised {
			if o := t.vnodes[f]; f.IsDirectory() && (s != author || o == nil || o.now == o.before) {
				directories = append(directories, f)
			}
		}
		slices.SortFunc(directories, coda.Fid.Compare)
		for _, f := range directories {
			p.sendBreak(s, f, nil)
		}
	}
}

// dismiss ends all sessions, so that clients learn anew what they may do and validate what they have.
func (p *promises) dismiss(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		p.forget(s)
		s.end(coda.Errorf("callbacks", coda.Busy, "%s", why))
	}
}

// renew promises anew what the answer to a batch says, for a batch that is answered again.
func (p *promises) renew(own uint64, a *wire.Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	author := p.live(own)
	if author == nil {
		return
	}
	for i := range a.Changed {
		p.promiseAuthor(author, &a.Changed[i])
	}
	a.Breaks = author.breaks
}

// outdate tells the client that sent a batch again about objects that the answer cannot speak about.
func (p *promises) outdate(own uint64, fids []coda.Fid, a *wire.Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	author := p.live(own)
	if author == nil {
		return
	}
	for _, f := range fids {
		p.sendBreak(author, f, nil)
	}
	a.Breaks = author.breaks
}

// promiseAuthor renews the promise on an object that the session's own client changed. A directory about which it was promised
// nothing is the exception: others may have changed it before, and the client cannot know its entries from its own records.
func (p *promises) promiseAuthor(s *session, c *wire.Changed) {
	f := c.Status.Fid
	if c.Status.Kind == coda.Directory && !c.Before.IsZero() && !s.promised[f] {
		p.sendBreak(s, f, nil)
		return
	}
	c.Promised = p.add(s, f)
}

// maxChange is the number of names beyond which the change of a directory is not sent: fetching the directory costs no more.
const maxChange = 4096

// directoryChange describes what became of a directory; nil when it has to be fetched again.
func (t *transaction) directoryChange(o *object) *vicepb.DirectoryChange {
	removed, added := t.difference(o.fid())
	if len(removed)+len(added) > maxChange {
		return nil
	}
	return wire.ChangeToProto(coda.DirectoryChange{
		From: o.before.status.Version, FromDigest: o.before.status.Digest, Status: o.now.status, Removed: removed, Added: added,
	})
}
