package vice_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// fsck finds what is wrong with the rows about what is unsettled.
func TestFsckFindsDamagedUnsettledRows(t *testing.T) {
	deleteAll := func(s *vice.Server, b *pebble.Batch, kind byte) error {
		keys, _ := s.Rows(kind)
		for _, k := range keys {
			if err := b.Delete(k, nil); err != nil {
				return err
			}
		}
		return nil
	}
	spoil := func(s *vice.Server, b *pebble.Batch, kind byte) error {
		keys, _ := s.Rows(kind)
		return b.Set(keys[0], []byte{1, 0xff}, nil)
	}
	cases := []struct {
		name string
		want string
		do   func(s *vice.Server, b *pebble.Batch, gone, there coda.Fid) error
	}{
		{"no batches", "no batch has changed it", func(s *vice.Server, b *pebble.Batch, _, _ coda.Fid) error {
			return deleteAll(s, b, vice.BatchRows)
		}},
		{"no objects", "is not unsettled", func(s *vice.Server, b *pebble.Batch, _, _ coda.Fid) error {
			return deleteAll(s, b, vice.UnsettledRows)
		}},
		{"removed and there", "and is there", func(s *vice.Server, b *pebble.Batch, gone, there coda.Fid) error {
			keys, values := s.Rows(vice.UnsettledRows)
			for i, k := range keys {
				if string(k) == string(vice.UnsettledKey(gone)) {
					return b.Set(vice.UnsettledKey(there), values[i], nil)
				}
			}
			return nil
		}},
		{"ACL of no change", "does not have the ACL", func(s *vice.Server, b *pebble.Batch, _, _ coda.Fid) error {
			root := coda.RootFid(1)
			return b.Set(vice.VnodeKey(root), s.ChangeVnode(root, func(st *coda.Status) { st.ACL = "\x01" }), nil)
		}},
		{"name for something else", "stands for", func(s *vice.Server, b *pebble.Batch, _, _ coda.Fid) error {
			keys, values := s.Rows(vice.NameRows)
			return b.Set(keys[0], values[1], nil)
		}},
		{"damaged batch", "damaged", func(s *vice.Server, b *pebble.Batch, _, _ coda.Fid) error { return spoil(s, b, vice.BatchRows) }},
		{"damaged object", "damaged", func(s *vice.Server, b *pebble.Batch, _, _ coda.Fid) error { return spoil(s, b, vice.UnsettledRows) }},
		{"damaged name", "damaged", func(s *vice.Server, b *pebble.Batch, _, _ coda.Fid) error { return spoil(s, b, vice.NameRows) }},
		{"comparison with nobody", "is to be compared with 0", func(_ *vice.Server, b *pebble.Batch, _, there coda.Fid) error {
			return b.Set(vice.CompareKey(there), []byte{1, 0, 1}, nil)
		}},
		{"comparison with itself", "is to be compared with 1", func(_ *vice.Server, b *pebble.Batch, _, there coda.Fid) error {
			return b.Set(vice.CompareKey(there), []byte{1, 1, 1}, nil)
		}},
		{"damaged comparison", "damaged", func(_ *vice.Server, b *pebble.Batch, _, there coda.Fid) error {
			return b.Set(vice.CompareKey(there), []byte{1, 0xff}, nil)
		}},
		{"damaged filling", "damaged", func(_ *vice.Server, b *pebble.Batch, _, _ coda.Fid) error {
			return b.Set([]byte{vice.FillingRows}, []byte{1, 0xff}, nil)
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			servers := vicetest.StartReplicas(t, 2, unhurried)
			c := servers[0].Client(1)
			log := c.Log()
			there, _ := log.Create(c.Root, "there")
			log.Add(coda.SetACL{Fid: c.Root, ACL: everybody(t)})
			gone, v := log.Create(c.Root, "gone")
			log.Apply()
			remove := c.Log()
			remove.Add(coda.Remove{Parent: c.Root, Name: "gone", Fid: gone, Base: v})
			remove.Apply()
			server := servers[0].Vice()
			require.NoError(t, server.Damage(func(b *pebble.Batch) error { return tc.do(server, b, gone, there) }))
			result, err := server.Fsck(t.Context())
			require.NoError(t, err)
			require.Contains(t, strings.Join(result.Problems, "\n"), tc.want)
			servers[0].Kill()
		})
	}
}
