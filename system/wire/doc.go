// Package wire is the protocol between venus and codasrv and of their control sockets: the generated messages, strict conversions
// between them and the types of package coda, errors that keep their kind across the network, and how connections are made.
//
// The conversions come in pairs: XToProto, which cannot fail, and XFromProto, which believes nothing. Whatever a peer sends, the
// result is a value that keeps every rule of package coda or an error of kind coda.Invalid, never a panic.
package wire
