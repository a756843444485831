// Package observe describes the tree that a node sees: names, kinds, modes, lengths, links and digests.
//
// It looks at mounts that may hang: every call is made in a goroutine that is left behind when it does not return in time, and the first such call
// ends the observation.
package observe
