// Package shrink finds a small scenario that fails as a large one did.
//
// It knows nothing of how a scenario is run: it proposes smaller ones, from the boldest to the slightest, keeps the first that still fails, and begins again
// from there, until none of its proposals fails any more. What remains is small, not smallest: no single proposal makes it smaller.
package shrink
