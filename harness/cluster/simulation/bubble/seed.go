package bubble

// Seed returns the seed that the process runs with, and whether it has one: false when it was built without the overlay or started
// without CODASTRESS_RUNTIME_SEED.
func Seed() (uint64, bool) {
	return runtimeSeed()
}

// SeedVariable is the environment variable that gives a process its seed, a decimal number of 64 bits. A process that is already running
// cannot be given one.
const SeedVariable = "CODASTRESS_RUNTIME_SEED"
