package supervise

import (
	"errors"
	"runtime"
)

// spawner starts processes from one thread that lives as long as it does. The parent-death signal of a child comes when the thread that
// made it ends (prctl(2)), and the Go runtime may end any other thread.
type spawner struct {
	requests chan func()
	stop     chan struct{} // closed by end
	ended    chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan func()), stop: make(chan struct{}), ended: make(chan struct{})}
	go s.serve()
	return s
}

func (s *spawner) serve() {
	defer close(s.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case request := <-s.requests:
			request()
		case <-s.stop:
			return
		}
	}
}

// end gives the thread back. It is called once, when all children are gone.
func (s *spawner) end() {
	close(s.stop)
	<-s.ended
}

var errStopped = errors.New("the supervisor has stopped")

// do calls start on the thread and waits for it. Starting a process takes no longer than fork and exec.
func (s *spawner) do(start func() error) error {
	result := make(chan error, 1)
	select {
	case s.requests <- func() { result <- start() }:
		return <-result
	case <-s.ended:
		return errStopped
	}
}
