package venus

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// Call is an operation that is under way.
type Call struct {
	Operation string
	Object    string
	Age       time.Duration
	WaitsFor  string // "" while it does not wait for anything that is known
}

// Calls lists the operations that are under way, the oldest first.
func (v *Venus) Calls() []Call {
	list := v.calls.snapshot()
	calls := make([]Call, len(list))
	for i, c := range list {
		calls[i] = Call{Operation: c.op, Object: c.object, Age: c.age, WaitsFor: c.waits}
	}
	return calls
}

// stateTime is how long State waits for the mutex, which nobody holds for long unless that is the hang.
const stateTime = time.Second

// State describes, for a person who looks for a hang, what venus is doing. It answers also when the mutex is not to be had.
func (v *Venus) State() string {
	var b strings.Builder
	start := time.Now()
	if lockWithin(&v.mu, stateTime) {
		fmt.Fprintf(&b, "mutex: taken in %v\n", time.Since(start).Round(time.Microsecond))
		v.describeLinks(&b)
		v.describeLog(&b)
		v.describeObjects(&b)
		v.mu.Unlock()
	} else {
		fmt.Fprintf(&b, "mutex: not to be had in %v; the goroutine dump shows who holds it\n", stateTime)
	}
	fmt.Fprintf(&b, "profile: %s\nclock: %s\n", v.cfg.Profile, v.cfg.Clock().UTC().Format(time.RFC3339Nano))
	fmt.Fprintf(&b, "constants: %s\n", coda.DescribeConstants(&v.cfg.Timing, &v.cfg.Limits))
	if q := v.Queue(); q.Workers > 0 {
		fmt.Fprintf(&b, "workers: %d busy of %d made, %d at most; queue: %d requests", q.Busy, q.Made, q.Workers, q.Length)
		if q.Length > 0 {
			fmt.Fprintf(&b, ", the oldest for %v", q.Oldest.Round(time.Millisecond))
		}
		b.WriteByte('\n')
	}
	calls := v.Calls()
	fmt.Fprintf(&b, "calls: %d\n", len(calls))
	for _, c := range calls {
		fmt.Fprintf(&b, "  %s %s, %v old", c.Operation, c.Object, c.Age.Round(time.Millisecond))
		if c.WaitsFor != "" {
			fmt.Fprintf(&b, ", waits for %s", c.WaitsFor)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// lockWithin takes a mutex, unless somebody else has it all the time.
func lockWithin(mu *sync.Mutex, bound time.Duration) bool {
	for start := time.Now(); !mu.TryLock(); time.Sleep(time.Millisecond) {
		if time.Since(start) > bound {
			return false
		}
	}
	return true
}

func (v *Venus) describeLinks(b *strings.Builder) {
	fmt.Fprintf(b, "volume: %s", v.policies.transitions.state().of(v.cfg.Profile))
	if v.group.forced {
		fmt.Fprintf(b, ", because %v", errNoToken)
	}
	if s := v.policies.transitions.describe(); s != "" {
		b.WriteString(", " + s)
	}
	b.WriteByte('\n')
	for _, r := range v.group.all {
		fmt.Fprintf(b, "server %s: %v for %v", r.server.Address, r.state, time.Since(r.since).Round(time.Millisecond))
		if r.remote.isGated() {
			b.WriteString(", disconnected by cfs")
		}
		if r.lastErr != nil {
			fmt.Fprintf(b, ", last error: %v", r.lastErr)
		}
		fmt.Fprintf(b, "\nsession %d of server epoch %d: %d breaks, the lease of %v ends in %v",
			r.id, r.epoch, r.breaks, r.lease, time.Until(r.until).Round(time.Millisecond))
		if v.group.replicated() {
			fmt.Fprintf(b, "; %d second phases to tell it of, %d directories with objects that it does not have", len(r.owed), len(r.presumed))
		}
		b.WriteByte('\n')
	}
}

func (v *Venus) describeLog(b *strings.Builder) {
	fmt.Fprintf(b, "modify log: %d records, the next is %d, answered up to %d", v.log.count, v.log.next, v.answered)
	if v.frozen != (frozen{}) {
		fmt.Fprintf(b, ", under way %d to %d", v.frozen.First, v.frozen.Last)
	}
	if v.batchErr != nil {
		fmt.Fprintf(b, ", last failure: %v", v.batchErr)
	}
	b.WriteByte('\n')
	for r, shown := v.log.head, 0; r != nil && shown < 10; r, shown = r.next, shown+1 {
		fmt.Fprintf(b, "  %d %v %v, %v old", r.Number, r.Operation, r.Operation.Target(), v.age(r).Round(time.Millisecond))
		if r.session != nil {
			fmt.Fprintf(b, ", open for writing by %d", r.session.writers)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "conflicts: %d\nvnode numbers left: %d\n", v.conflicts.records, v.grants.left())
}

func (v *Venus) describeObjects(b *strings.Builder) {
	fmt.Fprintf(b, "cache: %d objects, %d bytes of %d\n", len(v.objects), v.cacheBytes, v.cfg.Limits.CacheBytes)
	if n := len(v.hoard.entries); n > 0 {
		h := v.hoard.last
		fmt.Fprintf(b, "hoard: %d entries; the last walk fetched %d files in %v and had no room for %d\n", n, h.Fetched, h.Took.Round(time.Millisecond), h.Refused)
	}
	for f, o := range v.objects {
		if o.flight != nil {
			fmt.Fprintf(b, "  %v waits for %s\n", f, o.flight.what)
		}
		if o.session != nil {
			fmt.Fprintf(b, "  %v is open for writing by %d\n", f, o.session.writers)
		}
	}
}
