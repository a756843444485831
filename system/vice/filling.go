package vice

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// fillingRow is there while a replica does not have everything that is settled, because it is new or has lost its disk: then that it does not have an
// object says nothing. It goes when the replica has joined everything of one that has everything, or has seen that all others are new as well. It
// is the set of those that it has seen to be new.
type fillingRow slots

func (f fillingRow) encode() []byte { return binary.AppendUvarint(newRow(), uint64(f)) }

func decodeFilling(b []byte) (fillingRow, error) {
	r := readRow(b)
	return fillingRow(r.number32()), r.end()
}

// getFilling reads whether the replica has to be filled.
func getFilling(r pebble.Reader) (row fillingRow, filling bool, err error) {
	filling, err = get(r, fillingKey(), func(b []byte) (err error) {
		row, err = decodeFilling(b)
		return err
	})
	return row, filling, err
}

// filling reports whether this replica has to be filled.
func (s *Server) filling() (bool, error) {
	v, _, _ := s.promises.read(0)
	defer v.release()
	_, filling, err := getFilling(v)
	return filling, err
}

// writeFilled puts into a batch of the store what a join means for a replica that has to be filled.
func (s *Server) writeFilled(b *pebble.Batch, base pebble.Reader, remote *peerState) error {
	row, filling, err := getFilling(base)
	if err != nil || !filling || !remote.everything {
		return err
	}
	next := slots(row) | 1<<remote.slot
	if !remote.filling || next|1<<s.cfg.Replication.Slot == s.cfg.Replication.all() {
		return b.Delete(fillingKey(), nil)
	}
	if next == slots(row) {
		return nil
	}
	return b.Set(fillingKey(), fillingRow(next).encode(), nil)
}
