// Package fusemount finds, aborts and detaches FUSE mounts without ever touching what is mounted: a look at a mount whose server is dead or hangs
// may never return.
package fusemount
