// Package wire is the protocol between venus and codasrv and of their control sockets: the generated messages, strict conversions
// between them and the types of package coda, errors that keep their kind across the network, and how connections are made.
package wire
