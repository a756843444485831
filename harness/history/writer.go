package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// A Writer writes the history of a run while it happens. Everything is in the file when its method returns, so that it survives the death
// of the process; Sync makes it survive the death of the machine. Methods may be called from several goroutines.
type Writer struct {
	mu     sync.Mutex
	file   *os.File
	offset int64 // after the last whole frame
	frame  []byte
	broken error // why nothing can be written any more
}

// NewWriter makes the file history in a run directory, which must not have one.
func NewWriter(dir string) (*Writer, error) {
	file, err := os.OpenFile(filepath.Join(dir, fileName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making the history: %w", err)
	}
	w := &Writer{file: file}
	if err := w.write([]byte(fileMagic)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return w, nil
}

// Append adds a chunk of operations as a Recorder emitted it.
func (w *Writer) Append(chunk []byte) error { return w.add(frameChunk, chunk) }

// Fault adds the record of a fault.
func (w *Writer) Fault(fault Fault) error { return w.addJSON(frameFault, fault) }

// Event adds something that happened to a daemon.
func (w *Writer) Event(event Event) error { return w.addJSON(frameEvent, event) }

// Load adds what a task did.
func (w *Writer) Load(load Load) error { return w.addJSON(frameLoad, load) }

// Stall adds an operation that had not returned in time.
func (w *Writer) Stall(stall Stall) error { return w.addJSON(frameStall, stall) }

// Observation adds the state of a node. The last one of each node and source counts.
func (w *Writer) Observation(observation Observation) error {
	return w.addJSON(frameObservation, observation)
}

// Status adds what the daemon of a node said of itself.
func (w *Writer) Status(status Status) error { return w.addJSON(frameStatus, status) }

// Sync returns when everything is on the disk.
func (w *Writer) Sync() error {
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("syncing the history: %w", err)
	}
	return nil
}

// Close syncs and closes the file.
func (w *Writer) Close() error {
	err := w.Sync()
	if closing := w.file.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("closing the history: %w", closing))
	}
	return err
}

func (w *Writer) addJSON(kind byte, value any) error {
	payload, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %T for the history: %w", value, err)
	}
	return w.add(kind, payload)
}

func (w *Writer) add(kind byte, payload []byte) error {
	if len(payload) > frameMost {
		return fmt.Errorf("writing the history: %d bytes are too many for one frame", len(payload))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frame = appendFrame(w.frame[:0], kind, payload)
	return w.write(w.frame)
}

// write adds bytes, or nothing: after a disk was full, a part of a frame would hide all that follow.
func (w *Writer) write(b []byte) error {
	if w.broken != nil {
		return w.broken
	}
	if _, err := w.file.WriteAt(b, w.offset); err != nil {
		err = fmt.Errorf("writing the history: %w", err)
		if cut := w.file.Truncate(w.offset); cut != nil {
			w.broken = errors.Join(err, cut)
		}
		return err
	}
	w.offset += int64(len(b))
	return nil
}
