// Package auth says who somebody is: users and groups (Database), passwords, and the tokens that stand for having given one.
//
// A cell has one Database. The server in slot 0 of a volume changes it, in memory by making a new one, and the other servers take over whichever has the
// highest version. It holds the key with which tokens are signed, so that every server can check what one of them has given out, and nobody else can make
// one. What a user may do is not here: directories have ACLs (package coda).
package auth
