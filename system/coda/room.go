package coda

// Room is what a volume may hold and holds, as one server has said.
type Room struct {
	Volume       uint32
	Number       uint64 // of two rooms of one session with the server the one with the larger number is the newer
	QuotaBytes   uint64 // 0 for no bound
	QuotaObjects uint64 // 0 for no bound
	UsedBytes    uint64 // of the contents of all files together
	UsedObjects  uint64 // files, directories and symlinks, the root not counted
	Counted      uint64 // the client's records in the volume up to this number are in what is used, as far as the session has seen them
}

// Bounded reports whether there is a quota.
func (r Room) Bounded() bool { return r.QuotaBytes > 0 || r.QuotaObjects > 0 }
