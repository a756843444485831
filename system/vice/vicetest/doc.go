// Package vicetest runs real servers for tests, on an in-memory network and a disk that can lose its power, and gives tests a
// client that speaks the protocol and nothing more.
package vicetest
