// Package ill says how badly the disk of a node works, and what that has done.
package ill
