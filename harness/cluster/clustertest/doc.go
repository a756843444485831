// Package clustertest has the tests that every driver of package cluster must pass.
package clustertest
