package venus

import "github.com/codastress/codastress/system/coda"

// CachedContents are contents in the cache that the servers have as well.
type CachedContents struct {
	File   string // the path of the container on the disk
	Digest coda.Digest
}

// CachedContents lists the contents that the cache has beside the servers, but for those that are in use. What is nowhere else is not among them: of that, a
// disk that gives other bytes leaves nothing that it could be told by.
func (v *Venus) CachedContents() (list []CachedContents) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, o := range v.objects {
		if k := o.contents; k != nil && k != v.empty && k.refs == 1 && k.size > 0 && !o.word.digest.IsZero() {
			list = append(list, CachedContents{File: k.path(), Digest: o.word.digest})
		}
	}
	return list
}
