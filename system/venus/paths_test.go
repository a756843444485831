package venus_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Who replaces a file by renaming another one leaves no moment without: another client that opens it by its path meanwhile finds the new one where the old one
// is gone already.
func TestAFileThatIsReplacedWhileItIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		n := newNetwork(s)
		a, b := start(t, s, of(coda.Modern)), start(t, s, of(coda.Modern), n.use)
		a.write("page", "old")
		a.settle()
		must(b.at("page")) // and not its contents
		n.hold()
		opened := later(func() error {
			_, h, err := b.OpenPath(context.Background(), "page", venus.OpenFlags{Read: true})
			if err != nil {
				return err
			}
			text, err := contents(h)
			require.Equal(t, "new", text)
			return err
		})
		a.write("new", "new")
		a.rename("new", "page")
		a.settle()
		require.Empty(t, opened)
		n.release()
		require.NoError(t, <-opened)

		a.remove("page")
		a.settle()
		synctest.Wait() // until b has heard of it
		_, _, err := b.OpenPath(t.Context(), "page", venus.OpenFlags{Read: true})
		require.ErrorIs(t, err, coda.NotFound)
	})
}
