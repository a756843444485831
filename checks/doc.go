// Package checks decides from the record of a run which promises the file system kept. Each check is a pure function from a history to a
// verdict: one file a promise. A check looks first whether the record allows an answer, since a broken recording is not a broken
// system; it counts only time in which the faults permit progress; and it fails a run only for what cannot be explained by any order
// of events that the record allows.
//
// That order is the one of real time: something was before something else where it was certainly over when the other began. What a write
// put in place names itself by its nonce, so that most questions are about the begin of one operation and the end of another.
package checks
