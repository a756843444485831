package history

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
)

// kindNames are the text forms of the kinds. They are part of the format of stored runs.
func kindNames() []string {
	return []string{
		"", "read", "write", "remove", "make-directory", "remove-directory", "rename", "link", "symlink", "list", "stat", "page",
		"append", "edit", "set-mode", "set-time", "read-link",
	}
}

// kindDocs say what each kind does.
func kindDocs() []string {
	return []string{
		"", "open a file, read everything, close", "open a file (making it where needed), replace everything, close", "remove a file: unlink", "make a directory: mkdir",
		"remove an empty directory: rmdir", "give a file or directory another name, in the place of what has it: rename", "give a file one more name: link", "make a symlink",
		"list a directory: readdir", "look at the attributes of a name: lstat", "fetch a page from a web server that reads it from the mount",
		"open a file, read everything, add to the end, close", "open a file, read everything, change a part or the length, close", "change permissions: chmod",
		"change the time of a file: utimensat", "read the text of a symlink: readlink",
	}
}

// Doc says what an operation of the kind does.
func (k Kind) Doc() string { return nameOf("kind", int(k), kindDocs()) }

// Kinds are all kinds of operations.
func Kinds() []Kind {
	var all []Kind
	for i := range kindNames() {
		if i > 0 {
			all = append(all, Kind(i))
		}
	}
	return all
}

func outcomeNames() []string { return []string{"", "ok", "failed", "indeterminate"} }

func resultNames() []string { return []string{"skipped", "pass", "undecided", "fail"} }

// String is the kind's name, "" for none.
func (k Kind) String() string { return nameOf("kind", int(k), kindNames()) }

// MarshalText implements encoding.TextMarshaler for JSON and YAML.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The empty text is no kind.
func (k *Kind) UnmarshalText(text []byte) error {
	i, err := indexOf("kind of operation", string(text), kindNames())
	*k = Kind(i)
	return err
}

// Mutates says whether an operation of this kind is there to change something.
func (k Kind) Mutates() bool { return k >= Write && k <= Symlink || k >= Append && k <= SetTime }

// Writes says whether an operation of this kind gives a file a new content.
func (k Kind) Writes() bool { return k == Write || k == Append || k == Edit }

// Rearranges says whether an operation of this kind makes, moves or takes away names, or gives a file a new content: all that Mutates does, but
// for attributes.
func (k Kind) Rearranges() bool { return k.Mutates() && k != SetMode && k != SetTime }

// String is the outcome's name, "" for none.
func (o Outcome) String() string { return nameOf("outcome", int(o), outcomeNames()) }

// MarshalText implements encoding.TextMarshaler for JSON and YAML.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The empty text is no outcome.
func (o *Outcome) UnmarshalText(text []byte) error {
	i, err := indexOf("outcome", string(text), outcomeNames())
	*o = Outcome(i)
	return err
}

// String is skipped, pass, undecided or fail.
func (r Result) String() string { return nameOf("result", int(r-Skipped), resultNames()) }

// MarshalText implements encoding.TextMarshaler for JSON and YAML.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Result) UnmarshalText(text []byte) error {
	i, err := indexOf("result", string(text), resultNames())
	*r = Skipped + Result(i)
	return err
}

// Overall merges verdicts: the worst result wins, apart from fails that are expected. Without any verdict that applies nothing was
// decided.
func Overall(verdicts []Verdict) Result {
	worst := Skipped
	for _, verdict := range verdicts {
		if verdict.Expected {
			worst = max(worst, Pass)
		} else {
			worst = max(worst, verdict.Result)
		}
	}
	if worst == Skipped {
		return Undecided
	}
	return worst
}

// NewNonce draws a nonce. It is as unique as the source: give each worker of each node one with a seed of its own.
func NewNonce(source rand.Source) Nonce {
	var n Nonce
	for n.IsZero() {
		binary.LittleEndian.PutUint64(n[:8], source.Uint64())
		binary.LittleEndian.PutUint64(n[8:], source.Uint64())
	}
	return n
}

// IsZero says whether it names no write.
func (n Nonce) IsZero() bool { return n == Nonce{} }

// String is 32 hexadecimal digits, or "" for the zero nonce.
func (n Nonce) String() string {
	if n.IsZero() {
		return ""
	}
	return hex.EncodeToString(n[:])
}

// MarshalText implements encoding.TextMarshaler for JSON and YAML.
func (n Nonce) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The empty text is the zero nonce.
func (n *Nonce) UnmarshalText(text []byte) error {
	*n = Nonce{}
	if len(text) == 0 {
		return nil
	}
	if len(text) != hex.EncodedLen(len(n)) {
		return fmt.Errorf("a nonce has %d hexadecimal digits, %q has %d characters", hex.EncodedLen(len(n)), text, len(text))
	}
	if _, err := hex.Decode(n[:], text); err != nil {
		return fmt.Errorf("reading a nonce: %w", err)
	}
	return nil
}

func nameOf(what string, i int, names []string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", what, i)
}

func indexOf(what, name string, names []string) (int, error) {
	i := slices.Index(names, name)
	if i < 0 {
		return 0, fmt.Errorf("unknown %s %q", what, name)
	}
	return i, nil
}
