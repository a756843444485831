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
