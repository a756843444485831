package history

// A Failpoint is a point of the code of a daemon, codasrv or venus, at which it is worth to be hit: just before something becomes durable or known to
// others, or just after it was sent.
type Failpoint string

// The failpoints.
const (
	Committing Failpoint = "committing" // something is about to be synced, renamed or removed on the disk
	Writing    Failpoint = "writing"    // bytes are about to be written to the disk
	Sending    Failpoint = "sending"    // bytes are about to be sent to a peer
	Sent       Failpoint = "sent"
	Answering  Failpoint = "answering" // an application is about to be answered, by venus alone
)

// Failpoints returns them all.
func Failpoints() []Failpoint { return []Failpoint{Committing, Writing, Sending, Sent, Answering} }
