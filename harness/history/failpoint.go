package history

// A Failpoint is a point of the code of a daemon, codasrv or venus, at which it is worth to be hit: just before something becomes durable or known to
// others, or just after it was sent.
type Failpoint string

// The failpoints. Doc says what each is.
const (
	Committing Failpoint = "committing"
	Writing    Failpoint = "writing"
	Sending    Failpoint = "sending"
	Sent       Failpoint = "sent"
	Answering  Failpoint = "answering"
)

// Doc says what the daemon is about to do.
func (f Failpoint) Doc() string {
	switch f {
	case Committing:
		return "something is about to be synced, renamed or removed on the disk"
	case Writing:
		return "bytes are about to be written to the disk"
	case Sending:
		return "bytes are about to be sent to a peer"
	case Sent:
		return "bytes were just sent to a peer"
	case Answering:
		return "an application is about to be answered, by venus alone"
	}
	return ""
}

// Failpoints returns them all.
func Failpoints() []Failpoint { return []Failpoint{Committing, Writing, Sending, Sent, Answering} }
