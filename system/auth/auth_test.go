package auth_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
)

// cheap is a cost for tests: what it protects is made up.
var cheap = auth.Cost{Time: 1, Memory: 64}

// cell is a database with some users: ann, in staff, which is in all; bob, in all; and carl.
func cell(t testing.TB) *auth.Database {
	t.Helper()
	db, err := auth.New(rand.Reader)
	require.NoError(t, err)
	step := func(next *auth.Database, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, db.Version()+1, next.Version())
		db = next
	}
	for _, name := range []string{"ann", "bob", "carl"} {
		step(db.NewUser(name))
	}
	step(db.NewGroup("staff"))
	step(db.NewGroup("all"))
	step(db.Add("staff", "ann"))
	step(db.Add("all", "staff"))
	step(db.Add("all", "bob"))
	step(db.Add("staff", "all")) // a circle
	return db
}

func TestUsersAreInTheGroupsOfTheirGroups(t *testing.T) {
	db := cell(t)
	ann, all, staff := db.Find("ann"), db.Find("all"), db.Find("staff")
	require.True(t, ann > 0 && all < 0 && staff < 0)
	require.True(t, db.Identity(ann).Is(all))
	require.True(t, db.Identity(ann).Is(coda.AnyUser))
	require.True(t, db.Identity(db.Find("bob")).Is(staff), "by way of all")
	require.False(t, db.Identity(db.Find("carl")).Is(all))
	require.Equal(t, []coda.Principal{coda.AnyUser}, db.Anonymous().Groups)
	require.Equal(t, "ann", db.Name(db.Find("ANN")), "a name that looks the same is the same")

	without, err := db.Remove("all", "staff")
	require.NoError(t, err)
	require.False(t, without.Identity(ann).Is(all))
	require.True(t, db.Identity(ann).Is(all), "what was is not changed")

	gone, err := db.Delete("ann")
	require.NoError(t, err)
	require.Nil(t, gone.Identity(ann))
	again, err := gone.NewUser("ann")
	require.NoError(t, err)
	require.NotEqual(t, ann, again.Find("ann"), "numbers are not used again")

	decoded, err := auth.Decode(db.Encode())
	require.NoError(t, err)
	require.Equal(t, db, decoded)
}

func TestChangesAreChecked(t *testing.T) {
	db := cell(t)
	for name, change := range map[string]func() (*auth.Database, error){
		"no name":           func() (*auth.Database, error) { return db.NewUser("") },
		"a number":          func() (*auth.Database, error) { return db.NewUser("-101") },
		"a space":           func() (*auth.Database, error) { return db.NewGroup("a b") },
		"taken":             func() (*auth.Database, error) { return db.NewUser("Ann") },
		"taken by a user":   func() (*auth.Database, error) { return db.NewGroup("bob") },
		"no such user":      func() (*auth.Database, error) { return db.Delete("dora") },
		"a fixed group":     func() (*auth.Database, error) { return db.Delete(auth.AnyUserName) },
		"no group":          func() (*auth.Database, error) { return db.Add("ann", "bob") },
		"everybody":         func() (*auth.Database, error) { return db.Add(auth.AnyUserName, "bob") },
		"a group's pasword": func() (*auth.Database, error) { return db.SetPassword("staff", auth.Password{}) },
	} {
		_, err := change()
		require.Error(t, err, name)
	}
}

func TestPasswords(t *testing.T) {
	db := cell(t)
	_, err := db.LogIn("ann", "")
	require.ErrorIs(t, err, coda.Permission, "nobody has a password yet")
	p, err := auth.NewPassword("secret", cheap, rand.Reader)
	require.NoError(t, err)
	other, err := auth.NewPassword("secret", cheap, rand.Reader)
	require.NoError(t, err)
	require.NotEqual(t, p, other, "the salt is drawn")
	db, err = db.SetPassword("ann", p)
	require.NoError(t, err)
	user, err := db.LogIn("ann", "secret")
	require.NoError(t, err)
	require.Equal(t, db.Find("ann"), user)
	for _, wrong := range [][2]string{{"ann", "Secret"}, {"ann", ""}, {"bob", "secret"}, {"dora", "secret"}, {"staff", "secret"}} {
		_, err := db.LogIn(wrong[0], wrong[1])
		require.ErrorIs(t, err, coda.Permission, "%v", wrong)
	}
	require.NotContains(t, string(db.Encode()), "secret")
}

func TestTokens(t *testing.T) {
	db := cell(t)
	ann := db.Find("ann")
	issued, err := db.Issue(ann, 1000, time.Hour, 2*time.Hour)
	require.NoError(t, err)
	signed := db.Sign(issued)
	got, err := db.Verify(signed)
	require.NoError(t, err)
	require.Equal(t, issued, got)
	who, err := db.Valid(got, 1000+coda.Time(time.Hour)-1)
	require.NoError(t, err)
	require.Equal(t, db.Identity(ann), who)
	_, err = db.Valid(got, 1000+coda.Time(time.Hour))
	require.ErrorIs(t, err, coda.NoToken, "it has ended")

	rapid.Check(t, func(t *rapid.T) {
		forged := append([]byte(nil), signed...)
		i := rapid.IntRange(0, 8*len(forged)-1).Draw(t, "bit")
		forged[i/8] ^= 1 << (i % 8)
		_, err := db.Verify(forged)
		require.ErrorIs(t, err, coda.NoToken)
	})
	elsewhere, err := db.NewKey(rand.Reader)
	require.NoError(t, err)
	_, err = elsewhere.Verify(signed)
	require.ErrorIs(t, err, coda.NoToken, "of another cell")

	p, err := auth.NewPassword("new", cheap, rand.Reader)
	require.NoError(t, err)
	changed, err := db.SetPassword("ann", p)
	require.NoError(t, err)
	_, err = changed.Valid(got, 2000)
	require.ErrorIs(t, err, coda.NoToken, "another password ends tokens")
	gone, err := db.Delete("ann")
	require.NoError(t, err)
	_, err = gone.Valid(got, 2000)
	require.ErrorIs(t, err, coda.NoToken)
}

func FuzzDatabase(f *testing.F) {
	f.Add(cell(f).Encode())
	f.Add([]byte("{}"))
	f.Add([]byte(`{"Version":1,"Users":[null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		db, err := auth.Decode(b)
		if err != nil {
			return
		}
		again, err := auth.Decode(db.Encode())
		require.NoError(t, err)
		first, err := json.Marshal(json.RawMessage(db.Encode()))
		require.NoError(t, err)
		require.Equal(t, string(first), string(again.Encode()))
		for _, u := range db.Users() {
			require.True(t, db.Identity(u.Number).Is(coda.AnyUser))
		}
	})
}

func FuzzToken(f *testing.F) {
	db := cell(f)
	for _, life := range []time.Duration{0, time.Hour} {
		t, err := db.Issue(db.Find("bob"), 5, life, life)
		require.NoError(f, err)
		f.Add(db.Sign(t))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := auth.ReadToken(b)
		if err != nil {
			require.ErrorIs(t, err, coda.NoToken)
			return
		}
		again, err := auth.ReadToken(db.Sign(read))
		require.NoError(t, err)
		require.Equal(t, read, again)
	})
}

func BenchmarkVerify(b *testing.B) {
	db := cell(b)
	token, err := db.Issue(db.Find("ann"), 5, time.Hour, time.Hour)
	require.NoError(b, err)
	signed := db.Sign(token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Verify(signed); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleDatabase_Find() {
	db := auth.Empty()
	fmt.Println(db.Find("System:AnyUser"), db.Name(coda.Administrators))
	// Output: -101 System:Administrators
}
