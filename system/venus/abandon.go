package venus

import "context"

// Abandon is Close without the flush, for a front end that has lost the processes that wrote: what they wrote since the last flush is lost, and never
// becomes the contents half finished, unless others are still writing to the same copy.
func (h *Handle) Abandon(ctx context.Context) error {
	if h.session == nil {
		return h.Close(ctx)
	}
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return nil
	}
	c := h.v.enter("abandon", h.o.fid, "")
	defer c.leave()
	h.abandon()
	return h.v.leaveSession(ctx, c, h.session)
}
