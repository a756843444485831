package venusfs

import (
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// A detour is the way of a thread that wanted to open a file by a node that does not suit: its open is answered with ESTALE, the kernel walks the path
// again, looks the name up, gets a node that suits, and opens that. The kernel does so once: a second ESTALE would be the application's.
type detour struct {
	fid    coda.Fid
	made   time.Time
	opened *openFile // what the thread gets when it is back; nil if it wants to write
}

// detours knows the threads that are on a detour.
type detours struct {
	mu  sync.Mutex
	all map[uint32]detour
}

// detourTime is how long a thread can be on a detour, which waits for nothing but lookups that have just been made.
const detourTime = 2 * time.Second

// begin sends a thread on a detour. It reports false where that cannot be done because the thread cannot be told from others: it is in another
// PID namespace.
func (d *detours) begin(f coda.Fid, thread uint32, opened *openFile) bool {
	if thread == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all[thread] = detour{f, time.Now(), opened}
	return true
}

// find gives the detour to an object that a thread is on.
func (d *detours) find(f coda.Fid, thread uint32) (detour, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.all[thread]
	return found, ok && found.fid == f
}

// end reports whether a thread is back from a detour and must not be sent on another one. It gives what was opened for it, and what was opened in vain because the
// name has come to stand for something else on the way.
func (d *detours) end(f coda.Fid, thread uint32) (opened, vain *openFile, back bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.all[thread]
	if !ok {
		return nil, nil, false
	}
	delete(d.all, thread)
	back = time.Since(found.made) < detourTime
	if back && found.fid == f {
		return found.opened, nil, true
	}
	return nil, found.opened, back
}

// lost ends the detours that began before a moment and gives the files that were opened for them.
func (d *detours) lost(before time.Time) []*openFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	var files []*openFile
	for thread, found := range d.all {
		if found.made.After(before) {
			continue
		}
		delete(d.all, thread)
		if found.opened != nil {
			files = append(files, found.opened)
		}
	}
	return files
}

// endDetour is detours.end, and closes what was opened in vain.
func (f *rawFileSystem) endDetour(fid coda.Fid, thread uint32) (opened *openFile, back bool) {
	opened, vain, back := f.detours.end(fid, thread)
	if vain != nil {
		f.discard(vain.handle)
	}
	return opened, back
}

// tidy closes files that were opened for threads which never came back, until stop is closed.
func (f *rawFileSystem) tidy(stop <-chan struct{}) {
	every := time.NewTicker(detourTime)
	defer every.Stop()
	for {
		select {
		case now := <-every.C:
			for _, o := range f.detours.lost(now.Add(-detourTime)) {
				f.discard(o.handle)
			}
		case <-stop:
			for _, o := range f.detours.lost(time.Now()) {
				f.discard(o.handle)
			}
			return
		}
	}
}
