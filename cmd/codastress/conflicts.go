package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/agent/observe"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/workloads"
)

// keptConflicts are the conflicts of a venus as they go into the record of a run.
func keptConflicts(kept []venus.Conflict) []history.Conflict {
	var list []history.Conflict
	for _, conflict := range kept {
		header, _ := history.CheckContent(conflict.Head, conflict.Path)
		list = append(list, history.Conflict{
			Path: conflict.Path, Operation: conflict.Operation, Why: conflict.Why, Content: header.Nonce, OverQuota: conflict.OverQuota,
		})
	}
	return list
}

// expandedWithin is how long the kernel may go on showing a link where venus shows both versions.
const expandedWithin = 5 * time.Second

// readVersions reads both versions of what is in conflict, as an application would: it has it expanded for so long. A version that somebody removed is
// not there. It gives the objects that were found, and an error where something cannot be read. Only what is owed must be there: of a
// conflict about a name or about attributes the local contents may never have been on this client.
func readVersions(ctx context.Context, view volumeView, tree observe.Tree, at string, owed bool) (objects []history.Object, err error) {
	if err := view.expand(ctx, at); coda.KindOf(err) == coda.Unsupported {
		return nil, nil // the servers' versions differ, which they are asked for themselves
	} else if err != nil {
		return nil, fmt.Errorf("expanding the conflict: %w", err)
	}
	defer func() {
		if collapsing := view.collapse(context.WithoutCancel(ctx), at); err == nil && collapsing != nil {
			err = fmt.Errorf("collapsing the conflict: %w", collapsing)
		}
	}()
	until := time.Now().Add(expandedWithin)
	for {
		info, err := tree.Stat(ctx, at)
		if err == nil && info.Mode.IsDir() {
			break
		}
		if err == nil {
			err = fmt.Errorf("it is not a directory but %v", info.Mode.Type())
		}
		if time.Now().After(until) || ctx.Err() != nil {
			return nil, fmt.Errorf("looking at the expanded conflict: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	found, err := observe.Objects(ctx, tree, observe.Options{Root: at})
	if err != nil {
		return nil, fmt.Errorf("looking at the expanded conflict: %w", err)
	}
	if len(found) == 0 && owed {
		return nil, errors.New("the expanded conflict has no version")
	}
	for _, object := range found {
		unread := object.Kind == "" || object.Kind == "file" && object.Digest == ""
		// What was moved into a directory that was refused may be gone: its name leads nowhere.
		nowhere := object.Kind == "" && object.Path != at+"/local"
		if unread && (!owed || nowhere) && below(object.Path, at+"/local") {
			continue
		}
		damaged := object.Problem != "" && !history.IsMisplaced(object.Problem) && object.Length > 0
		if unread || damaged {
			return nil, fmt.Errorf("%s cannot be read: %s", object.Path, object.Problem)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// below says whether a path is another, or below it.
func below(path, other string) bool { return path == other || strings.HasPrefix(path, other+"/") }

// owesContents says whether venus keeps contents for the conflict at a path, which it must show. The paths of conflicts are those of when they were
// refused: where others of the same last name have no contents, it may be one of these that shows there now.
func owesContents(kept []venus.Conflict, at string) bool {
	contents := map[uint64]bool{} // of a conflict, by its first record
	for _, c := range kept {
		root := cmp.Or(c.DependsOn, c.Record)
		contents[root] = contents[root] || c.Kept != ""
	}
	owed := false
	for _, c := range kept {
		if path.Base(c.Path) == path.Base(at) && !contents[cmp.Or(c.DependsOn, c.Record)] {
			return false
		}
		owed = owed || c.Path == at
	}
	return owed
}

// nodeConflicts are the conflicts of a client node, as its workloads work on them.
type nodeConflicts struct {
	view volumeView
	tree observe.Tree
}

var _ workloads.Conflicts = nodeConflicts{}

// List implements workloads.Conflicts.
func (n nodeConflicts) List(ctx context.Context) (kept []history.Conflict, paths []string, err error) {
	list, err := n.view.conflicts(ctx)
	for _, conflict := range list {
		if conflict.DependsOn == 0 {
			paths = append(paths, conflict.Path)
		}
	}
	return keptConflicts(list), paths, err
}

// Versions implements workloads.Conflicts.
func (n nodeConflicts) Versions(ctx context.Context, path string) ([]history.Nonce, error) {
	objects, err := readVersions(ctx, n.view, n.tree, path, true)
	var contents []history.Nonce
	for _, object := range objects {
		if !object.Content.IsZero() {
			contents = append(contents, object.Content)
		}
	}
	return contents, err
}

// Repair implements workloads.Conflicts.
func (n nodeConflicts) Repair(ctx context.Context, path string, contents []byte) error {
	return errno("repair", path, n.view.repair(ctx, path, contents))
}

// Settle implements workloads.Conflicts.
func (n nodeConflicts) Settle(ctx context.Context) error { return n.view.settle(ctx) }
