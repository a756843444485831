// Package proxy carries every link between the nodes of a system through Toxiproxy, embedded as a library, and cuts, heals and resets
// links. It is the only package that imports Toxiproxy.
//
// A link is one Toxiproxy proxy with our own toxic, the gate, in both directions from its start:
//
//	client > reader > noop > gate > writer > upstream
//	client < writer < gate < noop < reader < upstream
//
// The gate passes bytes, holds them or drops them. It stays in the chain, because adding and removing a toxic on a live connection
// waits for a receiver that does not read, and loses what it cannot deliver within 5 seconds (Toxiproxy's link.go).
//
// Connections are accepted and dialled here and handed to Toxiproxy, because its own accept loop dials without a deadline and blocks
// every later connection meanwhile, names connections by an address that is used again, closes both directions when one ends, and
// cannot send RST.
package proxy
