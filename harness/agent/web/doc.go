// Package web is the web server of a client node: it serves the files of the mount, and can hang with it as a real one does.
//
// It is limited as the field report's Apache (prefork, MaxClients 200): a connection occupies one of the workers from its acceptance to its end, and
// further connections wait in the listener's backlog. A file operation that does not return keeps its worker; the visitor gets an answer after a
// while.
package web
