package coda

import (
	"context"
	"errors"
	"fmt"
)

// ErrorKind is what went wrong, from a closed list. A kind is an error itself, so that errors.Is(err, coda.NotFound) works on
// every error that carries it.
type ErrorKind uint8

// The kinds of errors. The numbers travel in the protocol.
const (
	NotFound      ErrorKind = 1  // no such object or name
	Exists        ErrorKind = 2  // the name is taken
	NotDirectory  ErrorKind = 3  // a directory was needed
	IsDirectory   ErrorKind = 4  // anything but a directory was needed
	NotEmpty      ErrorKind = 5  // the directory still holds entries
	Invalid       ErrorKind = 6  // the request makes no sense
	NameTooLong   ErrorKind = 7  // a name or symlink target is too long
	CrossDevice   ErrorKind = 8  // a link or rename across directories or volumes that Coda does not allow
	TooManyLinks  ErrorKind = 9  // the file has MaxLinks names
	Permission    ErrorKind = 10 // not allowed
	NoSpace       ErrorKind = 11 // no room for contents, records or entries
	TimedOut      ErrorKind = 12 // the servers cannot be reached in time and the cache does not have it
	Conflict      ErrorKind = 13 // somebody else updated the object meanwhile
	IO            ErrorKind = 14 // storage failed, or something that has no better kind
	Busy          ErrorKind = 15 // in use
	Closed        ErrorKind = 16 // the daemon is stopping
	Unsupported   ErrorKind = 17 // this file system has no such operation
	NoToken       ErrorKind = 18 // a token that is not valid, or not any more
	QuotaExceeded ErrorKind = 19 // the volume may not hold more
)

// MaxErrorKind is the last of the kinds.
const MaxErrorKind = QuotaExceeded

// Error gives the kind in words.
func (k ErrorKind) Error() string {
	switch k {
	case NotFound:
		return "not found"
	case Exists:
		return "exists already"
	case NotDirectory:
		return "not a directory"
	case IsDirectory:
		return "is a directory"
	case NotEmpty:
		return "directory not empty"
	case Invalid:
		return "invalid"
	case NameTooLong:
		return "name too long"
	case CrossDevice:
		return "across directories"
	case TooManyLinks:
		return "too many links"
	case Permission:
		return "permission denied"
	case NoSpace:
		return "no space"
	case TimedOut:
		return "timed out"
	case Conflict:
		return "conflict"
	case IO:
		return "input/output error"
	case Busy:
		return "busy"
	case Closed:
		return "closed"
	case Unsupported:
		return "not supported"
	case NoToken:
		return "no valid token"
	case QuotaExceeded:
		return "quota exceeded"
	default:
		return fmt.Sprintf("error kind %d", uint8(k))
	}
}

// Error is an error with a kind.
type Error struct {
	Op   string    // what was being done, and to what
	Kind ErrorKind // what went wrong
	Err  error     // details; may be nil
}

// Errorf makes an Error whose details are formatted; %w wraps.
func Errorf(op string, kind ErrorKind, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// Error gives operation, kind and details.
func (e *Error) Error() string {
	s := e.Kind.Error()
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the details.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(ErrorKind)
	return ok && k == e.Kind
}

// KindOf finds the kind of an error: that of the outermost Error or ErrorKind in its chain, TimedOut for a context that ended, and IO for
// everything else. The kind of nil is 0.
func KindOf(err error) ErrorKind {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if k, ok := errors.AsType[ErrorKind](err); ok {
		return k
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return TimedOut
	}
	return IO
}
