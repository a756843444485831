package wire

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// tokenKey is where the metadata of a call have the token of the user for whom it is made. Values of such keys are bytes.
const tokenKey = "coda-token-bin"

// WithToken makes the calls of a context for the user whose token it is; an empty one for somebody without.
func WithToken(ctx context.Context, token []byte) context.Context {
	if len(token) == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, tokenKey, string(token))
}

// TokenOf gives the token that a request came with.
func TokenOf(ctx context.Context) (token string, ok bool) {
	values := metadata.ValueFromIncomingContext(ctx, tokenKey)
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}
