package processes

import (
	"errors"
	"runtime"
	"sync"
)

// spawner starts processes from one thread that lives as long as it does: the parent-death signal of a child comes when the thread ends that made
// it (prctl(2)), and the Go runtime ends threads as it likes.
type spawner struct {
	requests chan func()
	once     sync.Once
	stop     chan struct{}
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

var errClosed = errors.New("the run's processes are being ended")

// do calls start on the thread.
func (s *spawner) do(start func() error) error {
	result := make(chan error, 1)
	select {
	case s.requests <- func() { result <- start() }:
		return <-result
	case <-s.ended:
		return errClosed
	}
}

// end gives the thread back. The children are gone by then.
func (s *spawner) end() {
	s.once.Do(func() { close(s.stop) })
	<-s.ended
}
