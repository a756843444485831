package venus

import (
	"context"
	"strings"

	"github.com/codastress/codastress/system/coda"
)

// LookupPath finds what is at a path below the root of the volume: names with slashes between them, "" and "." being the root. Symlinks are
// not followed.
func (v *Venus) LookupPath(ctx context.Context, path string) (coda.Status, error) {
	at, err := v.Root(ctx)
	for name := range strings.SplitSeq(path, "/") {
		if err != nil {
			return coda.Status{}, err
		}
		if name != "" && name != "." {
			at, err = v.Lookup(ctx, at.Fid, name)
		}
	}
	return at, err
}

// OpenPath opens the file at a path. Where its name has come to stand for another file before what it stood for was open, that one is opened: who replaces a
// file by renaming another one leaves no moment without. It gives the attributes that the lookup found.
func (v *Venus) OpenPath(ctx context.Context, path string, flags OpenFlags) (coda.Status, *Handle, error) {
	var gone coda.Fid
	for {
		at, err := v.LookupPath(ctx, path)
		if err != nil {
			return coda.Status{}, nil, err
		}
		h, err := v.OpenFile(ctx, at.Fid, flags)
		if coda.KindOf(err) != coda.NotFound || at.Fid == gone {
			return at, h, err
		}
		gone = at.Fid
	}
}

// LookupParent finds the directory that a path lies in, and gives the last name of the path, which need not be there.
func (v *Venus) LookupParent(ctx context.Context, path string) (dir coda.Fid, name string, err error) {
	path = strings.Trim(path, "/")
	above, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		above, name = path[:i], path[i+1:]
	}
	if err := coda.ValidName(name); err != nil {
		return coda.Fid{}, "", err
	}
	at, err := v.LookupPath(ctx, above)
	return at.Fid, name, err
}
