package vice

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
)

// FsckResult is what Fsck found.
type FsckResult struct {
	Problems []string // none on a sound server; at most maxProblems
	Objects  uint64
}

// maxProblems bounds the list: a store with so many is beyond reading them one by one.
const maxProblems = 1000

// fsck is one check of one view.
type fsck struct {
	ctx   context.Context
	s     *Server
	view  *view
	found FsckResult

	names    map[coda.Fid]uint64   // how many entries name an object
	holder   map[coda.Fid]coda.Fid // the directory of its entries
	children map[coda.Fid]uint64   // entries of a directory
	contents map[contentID]coda.Fid

	containers map[string]string // paths by name, as they were before the view
	moving     map[string]bool   // those that were moving then

	located *locations
	buffer  []byte // for reading contents
}

// Fsck checks the whole store, file contents included, in one view of it; the server goes on meanwhile. It finds damage, it does not repair.
func (s *Server) Fsck(ctx context.Context) (FsckResult, error) {
	f := &fsck{
		ctx: ctx, s: s, names: map[coda.Fid]uint64{}, holder: map[coda.Fid]coda.Fid{}, children: map[coda.Fid]uint64{},
		contents: map[contentID]coda.Fid{}, containers: map[string]string{}, buffer: make([]byte, 64<<10),
	}
	err := s.store.containers.each(func(name, path string) error {
		f.containers[name] = path
		return ctx.Err()
	})
	if err != nil {
		return FsckResult{}, fmt.Errorf("check the store: %w", err)
	}
	f.moving = s.store.containers.inMotion()
	f.view, _, _ = s.promises.read(0)
	defer f.view.release()
	for _, step := range []func() error{f.volumes, f.entries, f.vnodes, f.reachability, f.inline, f.orphans, f.replay, f.protection, f.unsettled} {
		if err := step(); err != nil {
			return FsckResult{}, fmt.Errorf("check the store: %w", err)
		}
		if ctx.Err() != nil {
			return FsckResult{}, fmt.Errorf("check the store: %w", ctx.Err())
		}
	}
	return f.found, nil
}

func (f *fsck) problem(format string, args ...any) {
	if len(f.found.Problems) < maxProblems {
		f.found.Problems = append(f.found.Problems, fmt.Sprintf(format, args...))
	}
}

// entries checks that every entry is in a directory and names an object of its kind.
func (f *fsck) entries() error {
	return scan(f.view, []byte{entryPrefix}, func(key, value []byte) error {
		dir, err := fidOf(key)
		if err != nil {
			f.problem("entry: %v", err)
			return nil
		}
		name := string(key[1+fidSize:])
		e, err := decodeEntry(dir, name, value)
		if err != nil {
			f.problem("entry %q in %v: %v", name, dir, err)
			return nil
		}
		if err := coda.ValidName(name); err != nil {
			f.problem("entry in %v: %v", dir, err)
		}
		if f.names[e.Fid] > 0 && f.holder[e.Fid] != dir {
			f.problem("%v has names in %v and in %v", e.Fid, f.holder[e.Fid], dir)
		}
		f.names[e.Fid]++
		f.holder[e.Fid] = dir
		f.children[dir]++
		object, err := getVnode(f.view, e.Fid)
		switch {
		case err != nil:
			f.problem("entry %q in %v: %v", name, dir, err)
		case object == nil:
			f.problem("entry %q in %v names %v, which does not exist", name, dir, e.Fid)
		case object.status.Kind != e.Kind:
			f.problem("entry %q in %v says that %v is a %v, it is a %v", name, dir, e.Fid, e.Kind, object.status.Kind)
		}
		return f.ctx.Err()
	})
}

// vnodes checks every object against its entries and contents.
func (f *fsck) vnodes() error {
	return scanVnodes(f.view, []byte{vnodePrefix}, func(v *vnode) error {
		f.found.Objects++
		s := &v.status
		root := s.Fid == coda.RootFid(s.Fid.Volume)
		names := f.names[s.Fid]
		switch {
		case root && (names > 0 || !s.Parent.IsZero()):
			f.problem("the root %v has %d names and parent %v", s.Fid, names, s.Parent)
		case !root && names == 0:
			f.problem("%v has no name", s.Fid)
		case !root && s.Parent != f.holder[s.Fid]:
			f.problem("%v has parent %v, its name is in %v", s.Fid, s.Parent, f.holder[s.Fid])
		case !root && uint64(s.Links) != names:
			f.problem("%v has %d names and a link count of %d", s.Fid, names, s.Links)
		}
		if s.Version.IsZero() {
			f.problem("%v has no version", s.Fid)
		}
		if f.located == nil || f.located.find(s.Fid.Volume) == nil || (!root && !f.s.ground().granted(s.Fid.Number())) {
			f.problem("%v was never granted", s.Fid)
		}
		switch s.Kind {
		case coda.Directory:
			if _, err := coda.DecodeACL([]byte(s.ACL)); err != nil {
				f.problem("%v: %v", s.Fid, err)
			}
			if f.children[s.Fid] != s.Length {
				f.problem("%v has %d entries and a length of %d", s.Fid, f.children[s.Fid], s.Length)
			}
			delete(f.children, s.Fid)
		case coda.File:
			f.file(v)
		}
		return f.ctx.Err()
	})
}

// volumes checks the volume location database.
func (f *fsck) volumes() error {
	var l *locations
	found, err := get(f.view, locationsKey(), func(b []byte) (err error) {
		l, err = decodeLocations(b)
		return err
	})
	if err != nil || !found {
		f.problem("volume location database: %v, is there: %v", err, found)
		return nil
	}
	for _, v := range l.volumes {
		if root, err := getVnode(f.view, coda.RootFid(v.ID)); err != nil || root == nil {
			f.problem("volume %s has no root: %v", v.Name, err)
		}
	}
	f.located = l
	return nil
}

// file checks the contents of a file. Contents that a later commit forgot meanwhile are not missed.
func (f *fsck) file(v *vnode) {
	s := &v.status
	if other, ok := f.contents[v.content.id]; ok {
		f.problem("%v and %v share contents", other, s.Fid)
	}
	if v.content.place != nowhere {
		f.contents[v.content.id] = s.Fid
	}
	if (v.content.place == nowhere) != (s.Length == 0) {
		f.problem("%v has a length of %d, its contents are in place %d", s.Fid, s.Length, v.content.place)
		return
	}
	err := f.s.store.verify(f.view, v, f.buffer)
	if err != nil && (!notThere(err) || f.s.stillWants(v)) {
		f.problem("%v", err)
	}
}

// stillWants reports whether the newest view still names the same contents.
func (s *Server) stillWants(v *vnode) bool {
	newest, _, _ := s.promises.read(0)
	defer newest.release()
	now, err := getVnode(newest, v.status.Fid)
	return err == nil && now != nil && now.content == v.content
}

// reachability checks that entries are in directories, and that directories lead up to something and not in a circle.
func (f *fsck) reachability() error {
	for dir := range f.children {
		f.problem("entries in %v, which is no directory", dir)
	}
	checked := map[coda.Fid]bool{}
	for fid := range f.names {
		path := map[coda.Fid]bool{}
		at, ok := fid, true
		for ok && !checked[at] {
			if path[at] {
				f.problem("%v is below itself", at)
				break
			}
			path[at] = true
			at, ok = f.holder[at]
		}
		for at := range path {
			checked[at] = true
		}
	}
	return nil
}

// inline checks that all contents in the store belong to a file.
func (f *fsck) inline() error {
	return scan(f.view, []byte{dataPrefix}, func(key, _ []byte) error {
		id, err := contentOf(key)
		if err != nil {
			f.problem("contents: %v", err)
		} else if _, ok := f.contents[id]; !ok {
			f.problem("contents %x belong to no file", key)
		}
		return nil
	})
}

// orphans checks that all containers belong to a file. Those that were listed and not moving before the view was taken belong to an object
// in it, or have been on their way out since.
func (f *fsck) orphans() error {
	for id, fid := range f.contents {
		delete(f.containers, f.s.store.containers.name(fid, id))
	}
	moving := f.s.store.containers.inMotion()
	for name, path := range f.containers {
		if f.moving[name] || moving[name] {
			continue
		}
		if _, err := f.s.cfg.Disk.Stat(path); err == nil {
			f.problem("container %s belongs to no file", name)
		}
	}
	return nil
}

// replay checks the replay table.
func (f *fsck) replay() error {
	return scan(f.view, []byte{replayPrefix}, func(key, value []byte) error {
		if len(key) != 1+4+len(coda.ClientID{}) {
			f.problem("replay row has key %x", key)
			return nil
		}
		row, err := decodeReplay(binary.BigEndian.Uint32(key[1:]), value)
		switch {
		case err != nil:
			f.problem("replay row %x: %v", key, err)
			return nil
		case row.first == 0 || row.first > row.last:
			f.problem("replay row %x is about records %d to %d", key, row.first, row.last)
		}
		for _, r := range row.refusals {
			if r.Number < row.first || r.Number > row.last {
				f.problem("replay row %x refuses record %d, it is about %d to %d", key, r.Number, row.first, row.last)
			}
		}
		return nil
	})
}

// protection checks the users and groups. What an ACL says of somebody who is gone is no problem: numbers are not used again.
func (f *fsck) protection() error {
	return scan(f.view, []byte{protectionPrefix}, func(_, value []byte) error {
		if _, err := auth.Decode(value); err != nil {
			f.problem("users and groups: %v", err)
		}
		return nil
	})
}
