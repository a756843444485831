//go:build !runtimeseed

package bubble

func runtimeSeed() (uint64, bool) { return 0, false }
