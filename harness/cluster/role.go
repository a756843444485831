package cluster

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// Role is what a node is for.
type Role string

// The roles.
const (
	RoleServer Role = "server" // runs codasrv
	RoleClient Role = "client" // runs venus and web
	RoleMount  Role = "mount"  // is a client of a file system that is not ours, and runs web
	RoleProxy  Role = "proxy"  // carries the links
)

// The names of the daemons, as an agent supervises them.
const (
	Codasrv = "codasrv"
	Venus   = "venus"
	Web     = "web"
)

// Daemons returns the daemons of a role in the order in which they are started.
func (r Role) Daemons() []string {
	switch r {
	case RoleServer:
		return []string{Codasrv}
	case RoleClient:
		return []string{Venus, Web}
	case RoleMount:
		return []string{Web}
	default:
		return nil
	}
}

// ProxyName is the name of the proxy's node.
const ProxyName = "proxy"

// ServerNames are the names of the nodes of n servers.
func ServerNames(n int) []string { return numbered(RoleServer, n) }

// ClientNames are the names of the nodes of n clients.
func ClientNames(n int) []string { return numbered(RoleClient, n) }

func numbered(role Role, n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprintf("%s%d", role, i+1))
	}
	return names
}

// NewRunID returns a name for a run that no other run has: ten letters and digits.
func NewRunID() string { return strings.ToLower(rand.Text()[:10]) }
