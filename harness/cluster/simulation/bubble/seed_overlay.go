//go:build runtimeseed

package bubble

import _ "unsafe" // for go:linkname

// runtimeSeed is in the file that the overlay adds to the runtime.
//
//go:linkname runtimeSeed runtime.codastressSeed
func runtimeSeed() (uint64, bool)
