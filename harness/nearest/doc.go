// Package nearest answers a mistyped name with the one that was probably meant.
package nearest
