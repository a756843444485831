package history

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Consistency is what a file system claims of how soon one client sees what another did. The zero value claims nothing: so it is with the file
// system of this project, whose promises the checks know by themselves.
type Consistency struct {
	Level Level
	Bound time.Duration // of Eventual
}

// A Level is a kind of consistency.
type Level string

// The levels, the strictest first. Doc says what each is.
const (
	CloseToOpen Level = "close-to-open"
	Session     Level = "session"
	Eventual    Level = "eventual"
)

// Levels returns them all, the strictest first.
func Levels() []Level { return []Level{CloseToOpen, Session, Eventual} }

// Doc says what a file system of that level claims.
func (l Level) Doc() string {
	switch l {
	case CloseToOpen:
		return "what was closed, made, removed or renamed is seen by everything that begins afterwards, on every client"
	case Session:
		return "a client sees what it did itself, and nothing that it sees goes back; when it sees what others did is left open"
	case Eventual:
		return "what was done is seen everywhere after a time that is known, as in eventual=10s; until then anything may be seen that was there before"
	}
	return ""
}

// ErrConsistency says that a text names no consistency.
var ErrConsistency = errors.New("no consistency level")

// ParseConsistency reads what String writes; the empty text is the zero value.
func ParseConsistency(text string) (Consistency, error) {
	level, bound, bounded := strings.Cut(text, "=")
	c := Consistency{Level: Level(level)}
	switch {
	case text == "" || !bounded && (c.Level == CloseToOpen || c.Level == Session):
		return c, nil
	case c.Level == Eventual && bounded:
		within, err := time.ParseDuration(bound)
		if err == nil && within > 0 {
			c.Bound = within
			return c, nil
		}
	}
	return Consistency{}, fmt.Errorf("%w: %q: use %s, %s, or %s=TIME as in %s=10s", ErrConsistency, text, CloseToOpen, Session, Eventual, Eventual)
}

// String is the level, with its bound where it has one.
func (c Consistency) String() string {
	if c.Level == Eventual {
		return fmt.Sprintf("%s=%v", c.Level, c.Bound)
	}
	return string(c.Level)
}

// IsZero says whether nothing is claimed.
func (c Consistency) IsZero() bool { return c == Consistency{} }

// MarshalText implements encoding.TextMarshaler.
func (c Consistency) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Consistency) UnmarshalText(text []byte) (err error) {
	*c, err = ParseConsistency(string(text))
	return err
}

// Staleness is how long after the end of a change it may be unseen; bounded is false where that is left open.
func (c Consistency) Staleness() (longest time.Duration, bounded bool) {
	return c.Bound, c.Level == CloseToOpen || c.Level == Eventual
}

// Sessions says whether a client sees what it did itself, and never goes back.
func (c Consistency) Sessions() bool { return c.Level != Eventual }
