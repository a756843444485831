package coda

// Record is one entry of the client modify log. The records of one client have rising numbers, with gaps where records were
// cancelled; {client, Number} is the StoreID of the update.
type Record struct {
	Number    uint64
	Time      Time // when the operation was made; it becomes the Modified of what it changes
	Operation Operation
}

// Operation is what a record does: Store, Create, MakeDirectory, MakeSymlink, Link, Remove, RemoveDirectory, Rename, SetAttributes or SetACL (by
// value).
type Operation interface {
	// String is the operation's name in lower case (store, create, mkdir, symlink, link, remove, rmdir, rename, setattr, setacl).
	String() string
	// Target is the object that is made, changed or removed.
	Target() Fid

	operation() // the list is closed
}

// Refusal names a record that a server did not apply. Records after it that do not depend on it were applied.
type Refusal struct {
	Number uint64
	Kind   ErrorKind
	Why    string
}

// Store replaces a file's contents.
type Store struct {
	Fid    Fid
	Base   VersionVector // the version that the client had, certified by its StoreID
	Length uint64
	Digest Digest
}

// Create makes an empty file. The name must be free.
type Create struct {
	Parent Fid
	Name   string
	Fid    Fid
	Mode   uint32
	Owner  uint32
}

// MakeDirectory makes an empty directory. The name must be free.
type MakeDirectory struct {
	Parent Fid
	Name   string
	Fid    Fid
	Mode   uint32
	Owner  uint32
}

// MakeSymlink makes a symbolic link. The name must be free.
type MakeSymlink struct {
	Parent   Fid
	Name     string
	Fid      Fid
	PointsTo string
	Owner    uint32
}

// Link gives a file another name in the directory that holds it already. The name must be free.
type Link struct {
	Parent Fid
	Name   string
	Fid    Fid
}

// Remove takes a file's or symlink's name away, and the object with its last name. The name must be bound to Fid. The last name of a
// file goes only if the file's version certifies Base.
type Remove struct {
	Parent Fid
	Name   string
	Fid    Fid
	Base   VersionVector
}

// RemoveDirectory removes a directory that is empty on the server. The name must be bound to Fid.
type RemoveDirectory struct {
	Parent Fid
	Name   string
	Fid    Fid
}

// Rename moves an object. FromName must be bound to Fid, and ToName to Replaced, or be free if that is zero. What is replaced goes
// under the rules of Remove and RemoveDirectory.
type Rename struct {
	FromParent   Fid
	FromName     string
	ToParent     Fid
	ToName       string
	Fid          Fid
	Replaced     Fid
	ReplacedBase VersionVector
}

// SetAttributes changes the attributes that are not nil. Of a file it is certified like Store.
type SetAttributes struct {
	Fid      Fid
	Base     VersionVector
	Mode     *uint32
	Modified *Time
	Owner    *uint32
}

// SetACL says who may do what in a directory. It is certified by the ACL that it replaces.
type SetACL struct {
	Fid Fid
	Was ACL // that the client knew
	ACL ACL
}

// String names the operation.
func (o Store) String() string { return "store" }

// String names the operation.
func (o Create) String() string { return "create" }

// String names the operation.
func (o MakeDirectory) String() string { return "mkdir" }

// String names the operation.
func (o MakeSymlink) String() string { return "symlink" }

// String names the operation.
func (o Link) String() string { return "link" }

// String names the operation.
func (o Remove) String() string { return "remove" }

// String names the operation.
func (o RemoveDirectory) String() string { return "rmdir" }

// String names the operation.
func (o Rename) String() string { return "rename" }

// String names the operation.
func (o SetAttributes) String() string { return "setattr" }

// String names the operation.
func (o SetACL) String() string { return "setacl" }

// Target is the object concerned.
func (o Store) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o Create) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o MakeDirectory) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o MakeSymlink) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o Link) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o Remove) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o RemoveDirectory) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o Rename) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o SetAttributes) Target() Fid { return o.Fid }

// Target is the object concerned.
func (o SetACL) Target() Fid { return o.Fid }

// Volume is the volume that an operation is about; false where it names objects of several, which no operation can be about.
func Volume(o Operation) (volume uint32, ok bool) {
	volume = o.Target().Volume
	switch o := o.(type) {
	case Create:
		ok = o.Parent.Volume == volume
	case MakeDirectory:
		ok = o.Parent.Volume == volume
	case MakeSymlink:
		ok = o.Parent.Volume == volume
	case Link:
		ok = o.Parent.Volume == volume
	case Remove:
		ok = o.Parent.Volume == volume
	case RemoveDirectory:
		ok = o.Parent.Volume == volume
	case Rename:
		ok = o.FromParent.Volume == volume && o.ToParent.Volume == volume && (o.Replaced.IsZero() || o.Replaced.Volume == volume)
	default:
		ok = true
	}
	return volume, ok
}

func (Store) operation()           {}
func (Create) operation()          {}
func (MakeDirectory) operation()   {}
func (MakeSymlink) operation()     {}
func (Link) operation()            {}
func (Remove) operation()          {}
func (RemoveDirectory) operation() {}
func (Rename) operation()          {}
func (SetAttributes) operation()   {}
func (SetACL) operation()          {}
