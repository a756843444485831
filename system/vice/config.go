package vice

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/wire"
)

// Config says what a server serves and what it may use.
type Config struct {
	Disk    disk.FS      // where everything durable goes; nil for the machine's own file system
	Dir     string       // the directory on Disk that belongs to this server
	Volume  string       // the name of the volume at the root; it is made when the directory has none
	Volumes []string     // names of others that are made with it, on all servers the same
	Log     *slog.Logger // nil for silence
	Entropy io.Reader    // names the server when its store is made; nil for crypto/rand
	Profile coda.Profile // default coda.Modern

	RootACL coda.ACL // of a volume that is made: of all replicas the same. The zero value lets everybody do everything

	Replication Replication // the other servers of the volume; zero for none

	Timing Timing // zero fields have the profile's
	Limits Limits // zero fields have their defaults

	// Clock is the wall clock of the machine, which can be wrong and be set; nil for time.Now. Nothing that the server decides or keeps depends on it but when
	// tokens end: the times of objects come from the clients, durations are measured otherwise. It is shown to who looks (State).
	Clock func() time.Time

	// Fatal is called when the disk refuses a write that the store depends on, before anybody is told that it succeeded. It must end the process: a
	// server that goes on could lose what it acknowledged. Only where nothing that this server does from then on reaches anybody, the disk included,
	// may it return. Nil panics. That the disk is full is no reason: then batches are refused, and other writes wait for space.
	Fatal func(error)
}

// Timing holds every duration of a server, and how dead connections are found. Each is a constant that a scenario can set ([Constants]).
type Timing struct {
	Lease    time.Duration `doc:"how long clients may trust their caches after a ping; default 10 s"`
	Silence  time.Duration `doc:"silence of a client that ends its session; default 2 leases"`
	Death    time.Duration `doc:"of a historical profile: how long the acknowledgement of a break is waited for; default 30 s"`
	Request  time.Duration `doc:"the longest a request may take, the transfer of its data included; default 2 min"`
	Liveness wire.Liveness `doc:"how dead connections are found"`

	Token   time.Duration `doc:"how long a token is valid; default 25 h"`
	Renewal time.Duration `doc:"how long one can be renewed before the password has to be given again; default 7 days"`

	COP2 time.Duration `doc:"of a replicated volume: how long a batch waits for its COP2 before the servers settle it themselves; default 10 s"`
}

// TimingOf is the timing of a profile in real use.
func TimingOf(p coda.Profile) Timing { return Timing{}.withDefaults(p) }

// never is longer than anything is waited for.
const never = time.Duration(1 << 62)

func (t Timing) withDefaults(p coda.Profile) Timing {
	if p.Historical() {
		// Promises hold until they are broken, a request takes as long as it takes, and a client that does not answer is
		// not noticed before something has to be told to it.
		t.Lease = orDefault(t.Lease, never)
		t.Silence = orDefault(t.Silence, 5*time.Minute)
		t.Death = orDefault(t.Death, 30*time.Second)
		t.Request = orDefault(t.Request, never)
		t.Liveness = orDefault(t.Liveness, wire.Liveness{Interval: time.Second, Timeout: t.Silence})
	}
	t.Lease = orDefault(t.Lease, 10*time.Second)
	t.Silence = orDefault(t.Silence, 2*t.Lease)
	t.Request = orDefault(t.Request, 2*time.Minute)
	t.Liveness = orDefault(t.Liveness, wire.DefaultLiveness())
	t.Token = orDefault(t.Token, 25*time.Hour)
	t.Renewal = orDefault(t.Renewal, 7*24*time.Hour)
	t.COP2 = orDefault(t.COP2, 10*time.Second)
	return t
}

// Scaled divides the durations of a server by scale: a scenario's time_scale.
func (t Timing) Scaled(scale float64) Timing {
	for _, d := range []*time.Duration{&t.Lease, &t.Silence, &t.Death, &t.Request, &t.COP2, &t.Token, &t.Renewal} {
		if *d < never {
			*d = time.Duration(float64(*d) / scale)
		}
	}
	if t.Liveness != wire.DefaultLiveness() { // which is as short as it can be
		t.Liveness.Timeout = time.Duration(float64(t.Liveness.Timeout) / scale)
	}
	return t
}

// Limits bound what one client can ask of a server. Each is a constant, too.
type Limits struct {
	Records     int       `doc:"records in one batch; default 8192"`
	Inline      int       `doc:"bytes of contents up to which a file is kept in the store, not in a container; default 32 KiB"`
	InlineBatch int       `doc:"bytes of such contents in one batch, beyond which containers are used; default 16 MiB"`
	FileLength  uint64    `doc:"bytes of one file; default 64 GiB"`
	Queue       int       `doc:"events that wait for one session, names in directory changes counted one by one; default 65536"`
	Sessions    int       `doc:"sessions at once; default 1000"`
	Promises    int       `doc:"promises of one session; default 1,000,000"`
	Transfers   int       `doc:"batches whose data are being received at once; default 32"`
	Free        uint64    `doc:"bytes of the disk that must stay free for a batch to be accepted; default 64 MiB"`
	WriteBuffer int       `doc:"bytes of each of the store's two write buffers; default 64 MiB, twice the largest batch, which is an ordinary write then"`
	Password    auth.Cost `doc:"of hashing a password"`
	Cache       int       `doc:"bytes of what was read from the disk that the store keeps in memory; default 32 MiB"`
}

// Constants are the durations and limits of a server as a profile has them in real use.
func Constants(p coda.Profile) []coda.Constant {
	timing, limits := TimingOf(p), Limits{}.withDefaults()
	return coda.Constants(&timing, &limits)
}

// SetConstants gives constants other values than the profile's, each by its name as in [Constants]. What is set is what the server has: set it after
// whatever scales the Timing. Where the lease alone is set the silence that ends a session follows it, or clients would trust what nobody promises any more.
func (c *Config) SetConstants(values map[string]string) error {
	c.Limits = c.Limits.withDefaults()
	if err := coda.SetConstants(values, &c.Timing, &c.Limits); err != nil {
		return err
	}
	_, lease := values["lease"]
	if _, silence := values["silence"]; lease && !silence && !c.Profile.Historical() {
		c.Timing.Silence = 2 * c.Timing.Lease
	}
	return nil
}

// withDefaults fills in what is not set.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Dir == "":
		return Config{}, errors.New("no directory")
	case coda.ValidName(c.Volume) != nil:
		return Config{}, coda.Errorf("configure server", coda.Invalid, "volume name %q", c.Volume)
	}
	for _, name := range c.Volumes {
		if err := coda.ValidVolumeName(name); err != nil {
			return Config{}, fmt.Errorf("configure server: %w", err)
		}
	}
	if c.Disk == nil {
		c.Disk = disk.Real()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Entropy == nil {
		c.Entropy = rand.Reader
	}
	if c.Fatal == nil {
		c.Fatal = func(err error) { panic(err) }
	}
	var err error
	if c.Profile, err = coda.ParseProfile(string(c.Profile)); err != nil {
		return Config{}, err
	}
	if err := c.Replication.check(); err != nil {
		return Config{}, err
	}
	c.Timing = c.Timing.withDefaults(c.Profile)
	c.Limits = c.Limits.withDefaults()
	return c, nil
}

func (l Limits) withDefaults() Limits {
	l.Records = orDefault(l.Records, 8192)
	l.Inline = orDefault(l.Inline, 32<<10)
	l.InlineBatch = orDefault(l.InlineBatch, 16<<20)
	l.FileLength = orDefault(l.FileLength, 64<<30)
	l.Queue = orDefault(l.Queue, 65536)
	l.Sessions = orDefault(l.Sessions, 1000)
	l.Promises = orDefault(l.Promises, 1_000_000)
	l.Transfers = orDefault(l.Transfers, 32)
	l.Free = orDefault(l.Free, 64<<20)
	l.WriteBuffer = orDefault(l.WriteBuffer, 64<<20)
	l.Password = orDefault(l.Password, auth.DefaultCost())
	l.Cache = orDefault(l.Cache, 32<<20)
	return l
}

// orDefault gives v, or d where v is not set.
func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
