// Package faults has the harm that is done to a cluster while it works.
//
// A fault says by itself where it applies and what it may excuse. An injection of it proves itself: it is injected, seen to have taken
// effect, healed, and seen to be healed, in this order only; what could not be seen is a problem in its record. A schedule places faults
// in the time of a load, from a seed.
package faults
