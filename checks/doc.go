// Package checks decides from the record of a run which promises the file system kept. Each check is a pure function from a history to a
// verdict: one file a promise. A check looks first whether the record allows an answer, since a broken recording is not a broken
// system; it counts only time in which the faults permit progress; and it fails a run only for what cannot be explained by any order
// of events that the record allows.
//
// That order is the one of real time: something was before something else where it was certainly over when the other began. What a write
// put in place names itself by its nonce, so that most questions are about the begin of one operation and the end of another.
//
// # What is lost, and what was rightly refused
//
// Contents name the versions that their writers had read, and a server takes a version only on top of the one that the client had. So the versions of a file
// are a graph, and lost updates and false conflicts are seen in it: two edits of one version of which neither is kept (forks.go), versions that cannot have
// followed each other (succession.go), a refusal that nothing can have caused (false_conflict.go). An oracle that tries everything which can have happened
// says the same of thousands of small histories, but for what cannot be told from outside, or is not looked for:
//
//   - What a write that replaces a whole file is based on. Its client may have heard of any version that was in place before the file was opened, whatever
//     the program had read before. Only of clients between which a fault let nothing pass is it known that they had not (apart.go). Without such a fault,
//     the last of two programs that read, and then replace a file, wins rightly.
//   - Whether a client's own version had reached the server when it was refused later ones: a modify log has only the last of several. Then what may have
//     caused the refusal is looked for from the first moment on that it can have been for.
//   - Whether the making of a file was taken, where its first content was refused. So of two clients that make the same file, and both keep their contents
//     as conflicts, neither is accused.
//   - Why a client whose refusal was settled is refused again: what it had heard by then is known only of what it read.
//   - The order of all changes of all names, where files are removed and renamed. Each name, and each content, is explained by itself; there may be no order
//     that explains them together. The oracle finds one in twenty of the losses of removed files unexplained by itself alone, and one in ten of renamed ones.
//   - What happened to a file on mounts of a file system that is not ours, which certifies nothing: there of two writes at once either may stay.
package checks
