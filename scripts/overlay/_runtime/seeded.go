package runtime

import (
	"internal/chacha8rand"
	"internal/runtime/math"
	"internal/stringslite"
	"unsafe"
)

// seeded is the switch and its state. It is off unless CODASTRESS_RUNTIME_SEED is in the environment at process start; then nothing but
// the seed decides about map iteration, select, the global functions of math/rand, crypto/rand and the order of the goroutines of a
// synctest bubble.
//
// A bubble's goroutines have a run queue of their own, from which the next one is drawn at random. Whatever else runs in the process, the
// garbage collector for example, uses the ordinary queues, so it takes time but no part in the order. A goroutine of the bubble that is
// interrupted where it did not ask for it (by preemption, or by work for the collector) is the next of the bubble to run.
//
// There is one processor, and only the thread that has it touches the random states; the queue is locked, since a thread that
// comes back from a system call without a processor puts its goroutine there too.
var seeded struct {
	on   bool
	seed uint64

	order   uint64            // wyrand: goroutines, select, timers
	inside  chacha8rand.State // what goroutines of a bubble draw
	outside chacha8rand.State // what all others draw
	others  int               // goroutines that ran since the bubble was last asked for one

	lock     mutex
	queue    uintptr // array of guintptr outside the heap: runnable goroutines of the bubble, in no order that means something
	queued   int
	capacity int
	resumed  guintptr // was preempted: runs before all in the queue
	holder   guintptr // is busy for the runtime: no other of the bubble runs meanwhile
	holds    int      // nested calls of seededHold by the holder
}

// seededInit reads the seed. The environment is not copied yet, so it is read where the kernel left it.
func seededInit(random *[32]byte) {
	const prefix = "CODASTRESS_RUNTIME_SEED="
	for i := argc + 1; ; i++ {
		p := argv_index(argv, i)
		if p == nil {
			return
		}
		if s := unsafe.String(p, findnull(p)); stringslite.HasPrefix(s, prefix) {
			seeded.seed = seededParse(s[len(prefix):])
			break
		}
	}
	seeded.on = true
	startingStackSize = 16 << 10 // few outgrow it: what the runtime's own goroutines need depends on the machine, and would move the stacks of the bubble
	seeded.order = seeded.seed
	// Whoever holds a mutex that a goroutine of the bubble waits for is in the bubble too, since all of a simulation is: time passes while it waits, and
	// goroutines that wait for each other do so in the bubble's time, not for ever outside it.
	for _, reason := range []waitReason{waitReasonSyncMutexLock, waitReasonSyncRWMutexRLock, waitReasonSyncRWMutexLock} {
		isIdleInSynctest[reason] = true
	}
	seeded.outside.Init64([4]uint64{seeded.seed, 0})
	for i := range random {
		x, _ := seeded.outside.Next() // 32 of the several hundred that it has before it needs a refill
		random[i] = byte(x)
	}
	seeded.outside.Init64([4]uint64{seeded.seed, 1})
	seeded.inside.Init64([4]uint64{seeded.seed, 2})
}

func seededParse(digits string) uint64 {
	n := uint64(0)
	for i := range len(digits) {
		digit := uint64(digits[i] - '0')
		if digit > 9 || n > (^uint64(0)-digit)/10 {
			n, digits = 0, ""
			break
		}
		n = 10*n + digit
	}
	if digits == "" {
		fatal("CODASTRESS_RUNTIME_SEED is not a decimal number of 64 bits")
	}
	return n
}

// seededThreads starts threads in reserve and waits until they are parked. When the runtime needs a thread depends on the machine, and to start
// one then would move all that is allocated later, and with it the hashes of addresses.
func seededThreads() {
	const reserve = 16
	systemstack(func() {
		for range reserve {
			newm(seededPark, nil, -1)
		}
	})
	for {
		lock(&sched.lock)
		parked := sched.nmidle
		unlock(&sched.lock)
		if parked >= reserve {
			return
		}
		osyield()
	}
}

// seededPark is the first thing that a thread in reserve does.
func seededPark() {
	stopm()
	schedule()
}

// seededSource is where the caller's random numbers come from, instead of the state of its thread.
//
//go:nosplit
func seededSource(mp *m) *chacha8rand.State {
	if gp := mp.curg; gp != nil && gp.bubble != nil {
		return &seeded.inside
	}
	return &seeded.outside
}

// seededOrder draws a decision about the order of things. It has a state of its own, so that what a program draws for itself and the order
// that it runs in do not shift each other.
func seededOrder() uint32 {
	seeded.order += 0xa0761d6478bd642f
	hi, lo := math.Mul64(seeded.order, seeded.order^0xe7037ed1a0b428db)
	return uint32(hi ^ lo)
}

func seededOrdern(n uint32) uint32 {
	return uint32((uint64(seededOrder()) * uint64(n)) >> 32)
}

// seededSample is cheaprand for decisions that show in what a program allocates.
func seededSample() uint32 {
	if seeded.on {
		return uint32(rand())
	}
	return cheaprand()
}

// seededPut makes a goroutine of a bubble runnable. It returns false for every other goroutine.
func seededPut(gp *g) bool {
	if gp.bubble == nil {
		return false
	}
	lock(&seeded.lock)
	if seeded.queued == seeded.capacity {
		seededGrow()
	}
	seededSlot(seeded.queue, seeded.queued).set(gp)
	seeded.queued++
	unlock(&seeded.lock)
	return true
}

// seededSlot is a place in an array of goroutines.
func seededSlot(array uintptr, i int) *guintptr {
	return (*guintptr)(unsafe.Pointer(array + uintptr(i)*unsafe.Sizeof(guintptr(0))))
}

// seededGrow doubles the queue. The memory it had is not given back: all of it together is as much as the queue has now.
func seededGrow() {
	capacity := max(1024, 2*seeded.capacity)
	array := uintptr(persistentalloc(uintptr(capacity)*unsafe.Sizeof(guintptr(0)), 0, &memstats.other_sys))
	for i := range seeded.queued {
		*seededSlot(array, i) = *seededSlot(seeded.queue, i)
	}
	seeded.queue, seeded.capacity = array, capacity
}

// seededResume has a goroutine run again before any other of its bubble.
func seededResume(gp *g) {
	lock(&seeded.lock)
	if seeded.resumed != 0 {
		throw("two goroutines of a bubble were preempted")
	}
	seeded.resumed.set(gp)
	unlock(&seeded.lock)
}

// seededTurn reports whether it is time to ask the bubble first: when very many others ran without a break. Else it is asked last, so that
// what the collector sets off outside the bubble, as finalizers, is over before the bubble goes on, and allocates before it does.
func seededTurn() bool {
	seeded.others++
	if seeded.others < 1000 {
		return false
	}
	seeded.others = 0
	return true
}

// seededGet takes the goroutine that the bubble runs next, or nil.
func seededGet() *g {
	lock(&seeded.lock)
	i := seededNext()
	var gp *g
	switch {
	case seeded.resumed != 0:
		gp = seeded.resumed.ptr()
		seeded.resumed = 0
	case i >= 0:
		slot := seededSlot(seeded.queue, i)
		gp = slot.ptr()
		seeded.queued--
		*slot = *seededSlot(seeded.queue, seeded.queued)
	}
	unlock(&seeded.lock)
	return gp
}

// seededNext is the place in the queue of the goroutine that runs next, or -1.
func seededNext() int {
	switch {
	case seeded.resumed != 0 || seeded.queued == 0:
		return -1
	case seeded.holder != 0:
		return seededFind(seeded.holder)
	case seeded.queued == 1:
		return 0
	}
	return int(seededOrdern(uint32(seeded.queued)))
}

func seededFind(gp guintptr) int {
	for i := range seeded.queued {
		if *seededSlot(seeded.queue, i) == gp {
			return i
		}
	}
	return -1
}

// seededRunnable reports whether seededGet would return a goroutine.
func seededRunnable() bool {
	lock(&seeded.lock)
	runnable := seeded.resumed != 0 || seeded.queued > 0 && (seeded.holder == 0 || seededFind(seeded.holder) >= 0)
	unlock(&seeded.lock)
	return runnable
}

// seededHold begins a stretch in which the calling goroutine works for the runtime and may have to wait for it, at moments that
// depend on the machine: nothing else of its bubble runs until it is through. It returns false where there is nothing to release.
func seededHold() bool {
	gp := getg()
	if !seeded.on || gp.bubble == nil {
		return false
	}
	lock(&seeded.lock)
	if seeded.holder != 0 && seeded.holder.ptr() != gp {
		throw("two goroutines of a bubble work for the runtime")
	}
	seeded.holder.set(gp)
	seeded.holds++
	unlock(&seeded.lock)
	return true
}

func seededRelease() {
	lock(&seeded.lock)
	seeded.holds--
	if seeded.holds == 0 {
		seeded.holder = 0
	}
	unlock(&seeded.lock)
}

// seededRead fills b instead of the kernel's random numbers, when the switch is on.
//
//go:linkname seededRead crypto/internal/sysrand.seededRead
func seededRead(b []byte) bool {
	if !seeded.on {
		return false
	}
	for i := range b {
		b[i] = byte(rand())
	}
	return true
}

// codastressSeed returns the seed, and whether the switch is on.
//
//go:linkname codastressSeed
func codastressSeed() (uint64, bool) {
	return seeded.seed, seeded.on
}
