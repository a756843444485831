package cluster

import (
	"encoding/json"
	"fmt"
	"time"
)

// The environment of every process of a run.
const (
	NodeVariable = "CODASTRESS_NODE" // the node's NodeConfig as JSON
	RunVariable  = "CODASTRESS_RUN"  // the run's name: what has it belongs to that run
	LockVariable = "CODASTRESS_LOCK" // the file that the harness of the run holds locked while it lives
)

// The ports that nodes listen on. They are below the range that the kernel takes ports of outgoing connections from, so that a daemon gets its port
// again when it is restarted.
const (
	AgentPort   = 2430
	CodasrvPort = 2432 // as the real one (CODA-FACTS.md)
	WebPort     = 8080
	relayPort   = 2500 // and one for each node: where the proxy takes connections from the harness to an agent
	linkPort    = 2600 // and one for each node: where the proxy takes connections to it
)

// NodeConfig is what the first process of a node is told at its start.
type NodeConfig struct {
	RunID     string        `json:"run"`
	Name      string        `json:"name"`
	Role      Role          `json:"role"`
	Listen    string        `json:"listen"`              // host:port of the agent
	Control   Identity      `json:"control"`             // of the agent towards the harness
	Patience  time.Duration `json:"patience"`            // nanoseconds without a heartbeat until the node clears itself and ends
	State     string        `json:"state"`               // folder of what the daemons keep; it exists
	Logs      string        `json:"logs"`                // folder of the daemons' logs; it exists
	Volumes   []string      `json:"volumes,omitempty"`   // of a server: those that it makes beside the one at the root; of a client: its own
	Profile   string        `json:"profile,omitempty"`   //
	TimeScale float64       `json:"time_scale"`          //
	Constants Constants     `json:"constants,omitempty"` // of its daemons, after the time scale
	Mount     string        `json:"mount,omitempty"`     // of a client: MountFUSE, MountDirect or MountForeign
	CallTime  time.Duration `json:"call,omitempty"`      // of a client: nanoseconds until it abandons an operation
	Coda      string        `json:"coda,omitempty"`      // of a client: the folder that its files appear in; it exists
	System    Identity      `json:"system,omitzero"`     // of the daemons towards each other
	Codasrv   string        `json:"codasrv,omitempty"`   // of a server: host:port that codasrv listens on
	Web       string        `json:"web,omitempty"`       // of a client: host:port that web listens on
	Servers   []Peer        `json:"servers,omitempty"`   // the servers that the node has a link to
	Extra     []string      `json:"extra,omitempty"`     // more environment for the daemons, NAME=VALUE
}

// A Peer is a server as a node reaches it: at the beginning of the link to it. Its certificate is for its name.
type Peer struct {
	Name    string `json:"name"`
	Address string `json:"address"` // host:port
}

// ParseNodeConfig reads a NodeConfig from the value of NodeVariable.
func ParseNodeConfig(text string) (NodeConfig, error) {
	var config NodeConfig
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return NodeConfig{}, fmt.Errorf("reading the node's configuration from %s: %w", NodeVariable, err)
	}
	if config.Name == "" || config.Listen == "" {
		return NodeConfig{}, fmt.Errorf("reading the node's configuration from %s: it names no node or no address", NodeVariable)
	}
	return config, nil
}

func (c NodeConfig) marshal() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("writing the configuration of %s: %w", c.Name, err)
	}
	return string(text), nil
}
