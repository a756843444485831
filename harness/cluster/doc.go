// Package cluster starts the nodes of a system with a proxy between them, gives handles to the nodes and links, and ends all of it so that
// nothing is left behind.
//
// Every system node shares a network with the proxy node only. A link is a place where the proxy listens on one node's side for
// connections to another node:
//
//	client1 > proxy, client1's side, port of server1 > server1
//
// A Driver says where nodes run. All nodes are the codastress executable with the agent as their first process, and all the cluster
// does to a node after its start goes through that agent.
//
// Four things keep a run from leaving anything: Close; the agents, which clear their nodes when the harness's heartbeat stops; the janitor, a small
// process that outlives the harness and removes the rest; and Clean, which finds what even those could not remove. Every wait has a bound, so that
// no hanging node, engine or file system can keep the harness.
package cluster
