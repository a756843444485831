package main

// An edit puts lines of ours before and after an anchor. The anchor is text that the file has exactly once.
type edit struct {
	file   string // below GOROOT/src
	anchor string
	before string
	after  string
}

// edits are all that is changed in the standard library. Each is one branch that is not taken while the switch is off.
func edits() []edit {
	all := randomness()
	all = append(all, order()...)
	return append(all, collector()...)
}

// randomness takes every random number from the seed.
func randomness() []edit {
	return []edit{
		{ // The state that hash seeds, the addresses of the heap and new threads are made from.
			file:   "runtime/rand.go",
			anchor: "\tglobalRand.state.Init(*seed)\n",
			before: "\tseededInit(seed)\n",
		},
		{
			file:   "runtime/rand.go",
			anchor: "\tc := &mp.chacha8\n",
			after:  "\tif seeded.on {\n\t\tc = seededSource(mp)\n\t}\n",
		},
		{ // Threads start at moments that depend on the machine, some of them without a processor.
			file:   "runtime/rand.go",
			anchor: "\tmp.cheaprand = rand()\n",
			before: "\tif seeded.on {\n\t\tmp.cheaprand = bootstrapRand()\n\t\treturn\n\t}\n",
		},
		{
			file:   "runtime/select.go",
			anchor: "\t\tj := cheaprandn(uint32(norder + 1))\n",
			after:  "\t\tif seeded.on && gp.bubble != nil {\n\t\t\tj = seededOrdern(uint32(norder + 1))\n\t\t}\n",
		},
		{ // Timers of a bubble that expire at the same time.
			file:   "runtime/time.go",
			anchor: "\t\t\tt.rand = cheaprand()\n",
			after:  "\t\t\tif seeded.on {\n\t\t\t\tt.rand = seededOrder()\n\t\t\t}\n",
		},
		{ // Which of a thousand type assertions and switches allocates a cache, and so moves what is allocated later.
			file:   "runtime/iface.go",
			anchor: "func typeAssert(s *abi.TypeAssert, t *_type) *itab {\n",
			after:  "\tcheaprand := seededSample\n",
		},
		{
			file:   "runtime/iface.go",
			anchor: "func interfaceSwitch(s *abi.InterfaceSwitch, t *_type) (int, *itab) {\n",
			after:  "\tcheaprand := seededSample\n",
		},
		{
			file:   "crypto/internal/sysrand/rand.go",
			anchor: "var testingOnlyFailRead bool\n",
			after:  "\n//go:linkname seededRead\n//go:noescape\nfunc seededRead(b []byte) bool\n",
		},
		{
			file:   "crypto/internal/sysrand/rand.go",
			anchor: "func Read(b []byte) {\n",
			after:  "\tif seededRead(b) {\n\t\treturn\n\t}\n",
		},
	}
}

// order has the goroutines of a bubble run in an order that is drawn, and that neither time nor the rest of the process has a part in.
func order() []edit {
	return []edit{
		{ // One processor, whatever the machine has and the program asks for.
			file:   "runtime/proc.go",
			anchor: "func procresize(nprocs int32) *p {\n",
			after:  "\tif seeded.on {\n\t\tnprocs = 1\n\t\tsched.customGOMAXPROCS = true\n\t}\n",
		},
		{ // Before anything that differs from run to run.
			file:   "runtime/proc.go",
			anchor: "\t\t\tnewm(sysmon, nil, -1)\n\t\t})\n\t}\n",
			after:  "\tif seeded.on {\n\t\tseededThreads()\n\t}\n",
		},
		{
			file:   "runtime/proc.go",
			anchor: "func runqput(pp *p, gp *g, next bool) {\n",
			after:  "\tif seeded.on && seededPut(gp) {\n\t\treturn\n\t}\n",
		},
		{
			file:   "runtime/proc.go",
			anchor: "func globrunqput(gp *g) {\n",
			after:  "\tif seeded.on && seededPut(gp) {\n\t\treturn\n\t}\n",
		},
		{ // The bubble comes after all else that can run, but for its turn now and then, so that nothing can starve it.
			file:   "runtime/proc.go",
			anchor: "\t// local runq\n\tif gp, inheritTime := runqget(pp); gp != nil {\n\t\treturn gp, inheritTime, false\n",
			before: "\tif seeded.on && seededTurn() {\n\t\tif gp := seededGet(); gp != nil {\n\t\t\treturn gp, false, false\n\t\t}\n\t}\n\n",
		},
		{
			file:   "runtime/proc.go",
			anchor: "\t// Poll network.\n\t// This netpoll is only an optimization",
			before: "\tif seeded.on {\n\t\tseeded.others = 0\n\t\tif gp := seededGet(); gp != nil {\n\t\t\treturn gp, false, false\n\t\t}\n\t}\n\n",
		},
		{ // A thread without a processor may have put something there since.
			file:   "runtime/proc.go",
			anchor: "\tif !mp.spinning && sched.needspinning.Load() == 1 {\n",
			before: "\tif seeded.on && seededRunnable() {\n\t\tunlock(&sched.lock)\n\t\tgoto top\n\t}\n",
		},
		{
			file:   "runtime/proc.go",
			anchor: "func pollWork() bool {\n",
			after:  "\tif seeded.on && seededRunnable() {\n\t\treturn true\n\t}\n",
		},
		{
			file:   "runtime/proc.go",
			anchor: "\t// if it has local work, start it straight away\n",
			before: "\tif seeded.on && seededRunnable() {\n\t\tstartm(pp, false, false)\n\t\treturn\n\t}\n\n",
		},
		{ // Preemption does not end a goroutine's turn.
			file:   "runtime/proc.go",
			anchor: "\tif preempted && sched.gcwaiting.Load() {\n",
			before: "\tif seeded.on && preempted && gp.bubble != nil {\n\t\tseededResume(gp)\n\t} else ",
		},
		{ // Nor does the break that the clearing of a large object takes when its time is up.
			file:   "runtime/proc.go",
			anchor: "func goschedguarded_m(gp *g) {\n\tif !canPreemptM(gp.m) {\n\t\tgogo(&gp.sched) // never return\n\t}\n",
			after:  "\tif seeded.on && gp.bubble != nil {\n\t\tgoschedImpl(gp, true)\n\t}\n",
		},
		{ // Nor does a system call, however long it takes.
			file:   "runtime/proc.go",
			anchor: "\t\t// Retake the P if it's there for more than 1 sysmon tick (at least 20us).\n",
			before: "\t\tif seeded.on && thread.gp.bubble != nil {\n\t\t\tthread.resume()\n\t\t\tgoto done\n\t\t}\n\n",
		},
		{ // Whether a sync.Mutex starves its waiters: in the bubble's time, as they see it.
			file:   "runtime/sema.go",
			anchor: "func internal_sync_nanotime() int64 {\n",
			after:  "\tif gp := getg(); seeded.on && gp.bubble != nil {\n\t\treturn gp.bubble.now\n\t}\n",
		},
	}
}

// collector hides the garbage collector: a goroutine that starts it, waits for it or is made to help it stays the one whose turn it is.
func collector() []edit {
	const hold = "\tif seededHold() {\n\t\tdefer seededRelease()\n\t}\n"
	return []edit{
		{
			file:   "runtime/mgc.go",
			anchor: "func GC() {\n",
			after:  hold,
		},
		{
			file:   "runtime/mgc.go",
			anchor: "func gcStart(trigger gcTrigger) {\n",
			after:  hold,
		},
		{
			file:   "runtime/mgcmark.go",
			anchor: "\tif gp := getg(); gp.bubble != nil {\n\t\t// Disassociate the G from its synctest bubble while allocating.\n",
			before: hold + "\n",
		},
		{ // The runtime's own semaphores, for example that of stopping the world.
			file:   "runtime/sema.go",
			anchor: "\tsemacquire1(addr, false, 0, 0, waitReasonSemacquire)\n",
			before: "\theld := seededHold()\n",
			after:  "\tif held {\n\t\tseededRelease()\n\t}\n",
		},
	}
}
