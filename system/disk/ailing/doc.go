// Package ailing makes a disk work badly on demand: slowly, not at all, without space, or refusing some of its calls. Course is what decides about each
// call, for any disk that asks it, such as the one in memory of package simdisk; Disk asks it for a disk that knows nothing of it, such as the machine's own.
package ailing
