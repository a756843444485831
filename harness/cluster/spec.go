package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"
)

// Spec says which cluster is wanted.
type Spec struct {
	RunID     string            // as from NewRunID; it names everything that the run makes outside its directory
	Dir       string            // the run directory; what comes from a node goes to nodes/NAME in it
	Servers   int               // named server1, ...; none with MountForeign
	Clients   int               // named client1, ...
	Mount     string            // how clients reach their files: MountFUSE, MountDirect or MountForeign
	Binary    string            // the codastress executable, which the nodes of a driver run
	Volumes   int               // of each client, named by VolumeNames: the first directories that it makes
	Profile   string            // of the daemons; "" is theirs to choose
	TimeScale float64           // divides the time constants of the daemons; 0 is 1
	Constants Constants         // of the daemons, that are not to be as the profile and the time scale have them
	CallTime  time.Duration     // how long a client's node waits for an operation until it abandons it; 0 is 60 s
	Log       *slog.Logger      //
	Extra     map[string]string // environment for every node, for tests
}

// Constants are values by the names of constants, for each kind of daemon that has some. What there is to be set, the daemons know.
type Constants map[string]map[string]string

// VolumeNames are the names of the volumes of a client.
func VolumeNames(client string, n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%d", client, i+1))
	}
	return names
}

// AllVolumes are the volumes of all clients.
func (s Spec) AllVolumes() (names []string) {
	for _, client := range ClientNames(s.Clients) {
		names = append(names, VolumeNames(client, s.Volumes)...)
	}
	return names
}

// The kinds of mounts.
const (
	MountFUSE   = "fuse"   // the kernel's
	MountDirect = "direct" // none: the agent speaks to venus over its socket
	// MountForeign is none of ours: each client is a directory that another file system has mounted.
	MountForeign = "foreign"
)

// The most nodes of a role. Ports and subnets are laid out for it.
const maxNodes = 40

// MaxVolumes is the most volumes that each client can have.
const MaxVolumes = 100

// ErrSpec says that no cluster can be as it was asked for.
var ErrSpec = errors.New("impossible cluster")

// validate says what is wrong with a spec.
func (s Spec) validate() error {
	switch {
	case !regexp.MustCompile(`^[a-z0-9]{4,32}$`).MatchString(s.RunID):
		return fmt.Errorf("%w: the run's name %q is not 4 to 32 small letters and digits", ErrSpec, s.RunID)
	case s.Dir == "":
		return fmt.Errorf("%w: no run directory", ErrSpec)
	case s.Mount == MountForeign && s.Servers != 0:
		return fmt.Errorf("%w: %d servers, where the file system is not ours", ErrSpec, s.Servers)
	case s.Mount != MountForeign && s.Servers < 1 || s.Servers > maxNodes:
		return fmt.Errorf("%w: %d servers, where 1 to %d can be had", ErrSpec, s.Servers, maxNodes)
	case s.Clients < 1 || s.Clients > maxNodes:
		return fmt.Errorf("%w: %d clients, where 1 to %d can be had", ErrSpec, s.Clients, maxNodes)
	case !slices.Contains([]string{MountFUSE, MountDirect, MountForeign}, s.Mount):
		return fmt.Errorf("%w: the mount %q is neither %s nor %s nor %s", ErrSpec, s.Mount, MountFUSE, MountDirect, MountForeign)
	case s.Volumes < 0 || s.Volumes > MaxVolumes || s.Volumes > 0 && s.Mount == MountForeign:
		return fmt.Errorf("%w: %d volumes of each client", ErrSpec, s.Volumes)
	case s.TimeScale < 0:
		return fmt.Errorf("%w: time scale %v", ErrSpec, s.TimeScale)
	}
	return nil
}
