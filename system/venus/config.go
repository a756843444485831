package venus

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// Config says what a client needs from outside. Zero values of the optional fields stand for the defaults.
type Config struct {
	Dir     string                                                      // the cache directory
	Disk    disk.FS                                                     // has the cache directory; default disk.Real, which alone can be mounted
	Servers []Server                                                    // that hold the volume, in the order of their slots
	Dial    func(ctx context.Context, address string) (net.Conn, error) // default TCP
	TLS     *tls.Config                                                 // nil: no encryption
	Volume  string                                                      // name of the volume
	Name    string                                                      // of this client, for the server's logs
	Log     *slog.Logger                                                // default: discard
	Entropy io.Reader                                                   // default crypto/rand
	Profile coda.Profile                                                // default coda.Modern
	Timing  Timing                                                      // zero fields stand for the profile's
	Limits  Limits

	// Clock is the wall clock of the machine, which can be wrong and be set: for what is kept or shown to others, the times of records and files. No
	// duration is measured with it. The containers get theirs from Disk, whose clock should be the same. Default: time.Now.
	Clock func() time.Time

	// Boot names the run of the operating system, because what was not synced survives a crash of venus but not one of the machine. Default: the kernel's boot id.
	Boot string

	// Fatal is called when the disk refuses a write that the metadata depend on, before anybody is told that it succeeded. It must end the process: a
	// client that goes on could lose what it acknowledged. Only where nothing that this client does from then on reaches anybody, the disk included,
	// may it return. Nil panics. That the disk is full is no reason: then changes are refused.
	Fatal func(error)
}

// Server is a server that holds the volume.
type Server struct {
	Address string
	Name    string // in its certificate; "" for the one in Config.TLS
}

// Timing holds every duration. In brackets: what TimingOf(coda.Modern) has. Each is a constant that a scenario can set ([Constants]).
type Timing struct {
	Call     time.Duration `doc:"longest that any operation takes (60 s)"`
	Idle     time.Duration `doc:"longest silence of the server within one request (15 s)"`
	Ping     time.Duration `doc:"between pings (1 s)"`
	Dead     time.Duration `doc:"silence after which the server counts as gone (4 s)"`
	Silence  time.Duration `doc:"of a connection that counts as dead (6 s)"`
	Connect  time.Duration `doc:"longest attempt to reach the server (3 s)"`
	Grace    time.Duration `doc:"how long what is cached waits for an attempt to reach the server before it is used without (500 ms)"`
	Retry    time.Duration `doc:"longest pause between attempts (500 ms)"`
	Age      time.Duration `doc:"how long the oldest record waits for others before it is sent (5 ms)"`
	Snapshot time.Duration `doc:"how long flushed contents wait for the file to be closed before a copy is sent (1 s)"`
	Hoard    time.Duration `doc:"between two walks through what is hoarded (10 min)"`

	Busy    time.Duration `doc:"of a historical profile: sleep of a caller after the volume was busy (15 s)"`
	LogBusy time.Duration `doc:"of a historical profile: sleep of a caller after the volume was busy when the log was to be sent (20 s)"`
	Again   time.Duration `doc:"of a historical profile: all attempts to be answered together (15 s)"`
	Trickle time.Duration `doc:"of a historical profile: between two looks at the log (10 s)"`
	Zone    time.Duration `doc:"of a historical profile: for which a change waits while there is little room for it (1 s)"`

	Reintegrate time.Duration `doc:"longest wait for the answer to a batch after its last byte was sent (30 s)"`
}

// TimingOf is the timing of a profile in real use.
func TimingOf(p coda.Profile) Timing { return Timing{}.withDefaults(p) }

// minSilence is the shortest silence that can be told from a server that is there: its transport sends something each second.
const minSilence = 3 * time.Second

const modernAge = 5 * time.Millisecond

// never is longer than anything is waited for.
const never = time.Duration(1 << 62)

func (t Timing) withDefaults(p coda.Profile) Timing {
	if p.Historical() {
		t = t.historical(p)
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Call, time.Minute},
		{&t.Idle, 15 * time.Second},
		{&t.Ping, time.Second},
		{&t.Dead, 4 * time.Second},
		{&t.Silence, 6 * time.Second},
		{&t.Connect, 3 * time.Second},
		{&t.Grace, 500 * time.Millisecond},
		{&t.Retry, 500 * time.Millisecond},
		{&t.Age, modernAge},
		{&t.Snapshot, time.Second},
		{&t.Hoard, 10 * time.Minute},
		{&t.Reintegrate, 30 * time.Second},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return t
}

// historical fills in what Coda had otherwise. Nothing bounds a call as a whole, nor a request as long as the server is there: a server that is busy
// says so again and again.
func (t Timing) historical(p coda.Profile) Timing {
	age := time.Duration(1) // none
	if p == coda.Coda61 {
		age = time.Minute
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Call, never},
		{&t.Idle, never},
		{&t.Reintegrate, never},
		{&t.Ping, 150 * time.Second},
		{&t.Silence, 30 * time.Second},
		{&t.Dead, 180 * time.Second},
		{&t.Age, age},
		{&t.Busy, 15 * time.Second},
		{&t.LogBusy, 20 * time.Second},
		{&t.Again, 15 * time.Second},
		{&t.Trickle, 10 * time.Second},
		{&t.Zone, time.Second},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return t
}

// Scaled divides every duration by scale: a scenario's time_scale. What is as short as the modern Age stays. Zero fields stay what they are.
func (t Timing) Scaled(scale float64) Timing {
	for _, f := range []*time.Duration{
		&t.Call, &t.Idle, &t.Ping, &t.Dead, &t.Silence, &t.Connect, &t.Grace, &t.Retry, &t.Age, &t.Snapshot, &t.Hoard, &t.Reintegrate,
		&t.Busy, &t.LogBusy, &t.Again, &t.Trickle, &t.Zone,
	} {
		if *f > modernAge && *f < never {
			*f = max(time.Millisecond, time.Duration(float64(*f)/scale))
		}
	}
	if t.Silence > 0 {
		t.Silence = max(t.Silence, minSilence)
	}
	return t
}

// Limits bound what a client keeps. Zero fields stand for the defaults. Each is a constant, too.
type Limits struct {
	CacheBytes   uint64 `doc:"of containers; clean ones are evicted beyond it, those that are hoarded last (1 GiB)"`
	CacheObjects int    `doc:"cached objects; clean ones are evicted beyond it, those that are hoarded last (100,000)"`
	LogRecords   int    `doc:"records in the modify log (1,000,000)"`
	HoardEntries int    `doc:"entries of the hoard database (one for two cached objects)"`
	BatchRecords int    `doc:"records sent at once (1,000)"`
	BatchBytes   uint64 `doc:"bytes of contents sent at once; a single larger file is sent alone (32 MiB)"`
	DiskReserve  uint64 `doc:"bytes of the disk that are left free (32 MiB)"`
	WriteBuffer  int    `doc:"bytes of each write buffer of the metadata, of which there are up to four (4 MiB)"`

	Workers    int `doc:"of a historical profile: operations under way at a time (20)"`
	BusyTries  int `doc:"of a historical profile: how often a caller finds the volume busy before he gets an error (20)"`
	AgainTries int `doc:"of a historical profile: how often an object is asked for once more (5)"`
}

func (l Limits) withDefaults(p coda.Profile) Limits {
	if l.BatchRecords == 0 && p.Historical() {
		l.BatchRecords = 100
	}
	if l.CacheBytes == 0 {
		l.CacheBytes = 1 << 30
	}
	if l.CacheObjects == 0 {
		l.CacheObjects = 100_000
	}
	if l.HoardEntries == 0 {
		l.HoardEntries = max(1, l.CacheObjects/2)
	}
	if l.LogRecords == 0 {
		l.LogRecords = 1_000_000
	}
	if l.BatchRecords == 0 {
		l.BatchRecords = 1000
	}
	if l.BatchBytes == 0 {
		l.BatchBytes = 32 << 20
	}
	if l.Workers == 0 {
		l.Workers = 20
	}
	if l.BusyTries == 0 {
		l.BusyTries = 20
	}
	if l.AgainTries == 0 {
		l.AgainTries = 5
	}
	if l.DiskReserve == 0 {
		l.DiskReserve = 32 << 20
	}
	if l.WriteBuffer == 0 {
		l.WriteBuffer = 4 << 20
	}
	return l
}

// Constants are the durations and limits of a client as a profile has them in real use.
func Constants(p coda.Profile) []coda.Constant {
	timing, limits := TimingOf(p), Limits{}.withDefaults(p)
	return coda.Constants(&timing, &limits)
}

// SetConstants gives constants other values than the profile's, each by its name as in [Constants]. What is set is what the client has: set it after
// whatever scales the Timing.
func (c *Config) SetConstants(values map[string]string) error {
	return coda.SetConstants(values, &c.Timing, &c.Limits)
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" || len(c.Servers) == 0 || c.Volume == "" {
		return c, &coda.Error{Op: "configure venus", Kind: coda.Invalid, Err: fmt.Errorf("a cache directory, a server and a volume are needed")}
	}
	if len(c.Servers) > coda.VersionSlots {
		return c, coda.Errorf("configure venus", coda.Invalid, "%d servers, at most %d can hold a volume", len(c.Servers), coda.VersionSlots)
	}
	if c.Disk == nil {
		c.Disk = disk.Real()
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	} else if c.TLS != nil && c.TLS.Time == nil {
		c.TLS = c.TLS.Clone()
		c.TLS.Time = c.Clock
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Entropy == nil {
		c.Entropy = rand.Reader
	}
	if c.Name == "" {
		c.Name = "venus"
	}
	if c.Boot == "" {
		c.Boot = kernelBoot()
	}
	if c.Fatal == nil {
		c.Fatal = func(err error) { panic(err) }
	}
	var err error
	if c.Profile, err = coda.ParseProfile(string(c.Profile)); err != nil {
		return c, err
	}
	c.Timing = c.Timing.withDefaults(c.Profile)
	c.Limits = c.Limits.withDefaults(c.Profile)
	return c, nil
}
