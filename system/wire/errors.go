package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Error makes the gRPC status that carries err and its kind to the peer. It gives nil for nil and leaves an error that is a gRPC
// status already as it is.
func Error(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := err.(interface{ GRPCStatus() *status.Status }); ok && s.GRPCStatus() != nil {
		return err
	}
	kind := coda.KindOf(err)
	s := status.New(codeOf(kind), printable(err.Error()))
	detailed, detailErr := s.WithDetails(&vicepb.ErrorDetail{Kind: vicepb.ErrorKind(kind), Message: printable(err.Error())})
	if detailErr != nil {
		return s.Err()
	}
	return detailed.Err()
}

// FromError turns an error of a call into one with a kind. A status with an ErrorDetail has the kind that the peer gave it. A deadline that
// passed, a call that was cancelled and a peer that cannot be reached are coda.TimedOut; the error of a context stays in the chain, so
// errors.Is(err, context.Canceled) tells a caller that gave up from a peer that is away. op says what was being done.
func FromError(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*coda.Error](err); ok {
		return err
	}
	s, ok := status.FromError(err)
	if !ok {
		return &coda.Error{Op: op, Kind: coda.KindOf(err), Err: err}
	}
	for _, d := range s.Details() {
		if detail, ok := d.(*vicepb.ErrorDetail); ok {
			kind, kindErr := errorKindFromProto(detail.Kind)
			if kindErr != nil {
				kind = coda.IO
			}
			return &coda.Error{Op: op, Kind: kind, Err: withContext(status.New(s.Code(), detail.Message), errors.New(detail.Message))}
		}
	}
	return &coda.Error{Op: op, Kind: kindOfCode(s.Code()), Err: withContext(s, s.Err())}
}

// withContext gives a status as an error, with the context error that its code stands for in its chain, or the error otherwise where it
// stands for none. A peer may see the caller's deadline pass before the caller does.
func withContext(s *status.Status, otherwise error) error {
	cause := map[codes.Code]error{codes.DeadlineExceeded: context.DeadlineExceeded, codes.Canceled: context.Canceled}[s.Code()]
	if cause == nil {
		return otherwise
	}
	text := strings.TrimSuffix(strings.TrimSuffix(s.Message(), cause.Error()), ": ")
	if text == "" {
		return cause
	}
	return fmt.Errorf("%s: %w", text, cause)
}

// codeOf gives the gRPC code that says most of a kind to software that knows only gRPC.
func codeOf(k coda.ErrorKind) codes.Code {
	switch k {
	case coda.NotFound:
		return codes.NotFound
	case coda.Exists:
		return codes.AlreadyExists
	case coda.Invalid, coda.NameTooLong:
		return codes.InvalidArgument
	case coda.NotDirectory, coda.IsDirectory, coda.NotEmpty, coda.CrossDevice, coda.TooManyLinks, coda.Busy:
		return codes.FailedPrecondition
	case coda.Permission:
		return codes.PermissionDenied
	case coda.NoToken:
		return codes.Unauthenticated
	case coda.NoSpace:
		return codes.ResourceExhausted
	case coda.TimedOut:
		return codes.DeadlineExceeded
	case coda.Conflict:
		return codes.Aborted
	case coda.Closed:
		return codes.Unavailable
	case coda.Unsupported:
		return codes.Unimplemented
	default:
		return codes.Internal
	}
}

// kindOfCode gives the kind of a status that gRPC itself made.
func kindOfCode(c codes.Code) coda.ErrorKind {
	switch c {
	case codes.DeadlineExceeded, codes.Unavailable, codes.Canceled:
		return coda.TimedOut
	case codes.NotFound:
		return coda.NotFound
	case codes.InvalidArgument:
		return coda.Invalid
	case codes.PermissionDenied:
		return coda.Permission
	case codes.Unauthenticated:
		return coda.NoToken
	case codes.Unimplemented:
		return coda.Unsupported
	default:
		return coda.IO
	}
}

// printable makes a text fit for a protobuf string, which must be UTF-8.
func printable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
