package workloads

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// A session is a file of the machine that is open for reading and writing.
type session struct {
	file    *os.File
	how     How
	mapping []byte // all that there was when it was mapped; nil without a mapping
}

// edit looks at the content and makes the changes. It says at which step it failed, and what is known of its effect then.
func (s *session) edit(edit Edit) (step string, effect Effect, err error) {
	if s.how.Mapped {
		if err := s.open(); err != nil {
			return "mmap", None, err
		}
		defer s.close()
	}
	content, err := s.read()
	if err != nil {
		return "read", None, err
	}
	changes, err := edit(content)
	if err != nil {
		return "edit", None, err
	}
	for _, change := range changes {
		if err := s.change(change, int64(len(content))); err != nil {
			return "change", Maybe, err
		}
	}
	if s.mapping != nil && s.how.Sync {
		err = unix.Msync(s.mapping, unix.MS_SYNC)
	}
	return "msync", Maybe, err
}

// open maps the file. One without any content cannot be mapped, and is read and written as usual.
func (s *session) open() error {
	info, err := s.file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	s.mapping, err = unix.Mmap(int(s.file.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

func (s *session) close() {
	if s.mapping != nil {
		_ = unix.Munmap(s.mapping) // it is what was mapped
	}
}

func (s *session) read() (content []byte, err error) {
	if s.mapping == nil {
		return io.ReadAll(s.file)
	}
	content = make([]byte, len(s.mapping))
	return content, unlessItFaults(func() { copy(content, s.mapping) })
}

// change makes one change of a content that had a length. What makes a mapped file longer or shorter cannot be done through its mapping.
func (s *session) change(change Change, length int64) error {
	switch end := change.Offset + int64(len(change.Data)); {
	case change.Truncate:
		return s.file.Truncate(change.Offset)
	case end <= int64(len(s.mapping)):
		return unlessItFaults(func() { copy(s.mapping[change.Offset:], change.Data) })
	case s.how.Appending && change.Offset == length:
		return s.append(change.Data)
	}
	_, err := s.file.WriteAt(change.Data, change.Offset)
	return err
}

// append writes with O_APPEND, which must not be set when the file is opened: pwrite(2) would append as well then.
func (s *session) append(data []byte) error {
	descriptor := s.file.Fd()
	flags, err := unix.FcntlInt(descriptor, unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(descriptor, unix.F_SETFL, flags|unix.O_APPEND); err != nil {
		return err
	}
	if _, err := s.file.Write(data); err != nil {
		return err
	}
	_, err = unix.FcntlInt(descriptor, unix.F_SETFL, flags)
	return err
}

// unlessItFaults touches a mapping. The kernel has no other way to say that it cannot read or write what is mapped than SIGBUS, which is an EIO here.
func unlessItFaults(touch func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", unix.EIO, fault)
		}
	}()
	touch()
	return nil
}
