// Package mounts runs the clients of a file system that is not ours, which somebody has mounted in several directories of this machine: each directory
// is a client, with an agent of its own and a web server. There are no servers of ours and no links, so nothing can be harmed but by what the user
// brings along.
//
// All that a run does there it does below one new directory, which every mount shows and which is removed in the end. The file system may hang at any
// moment, so the harness itself never touches it: what has to be done before and after the agents live is done by short-lived processes, which are left
// behind when they do not return.
package mounts
