package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/agent/observe"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/mounts"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/workloads"
)

// addMount gives the agent of a client of a file system that is not ours its daemon.
func (n *node) addMount(config *agent.Config) {
	web := n.daemon(cluster.Web, "--root", n.Coda, "--plain", "--listen", n.Web, "--debug", n.socket(cluster.Web, "debug"))
	config.Daemons = append(config.Daemons, web)
	config.DebugSockets[web.Name] = n.socket(web.Name, "debug")
}

// mountHooks are what the agent of such a client can do. Of the file system it knows what the mount shows.
func (n *node) mountHooks() agent.Hooks {
	files, tree := workloads.LocalDirectory{Root: n.Coda}, observe.Folder{Root: n.Coda}
	return agent.Hooks{
		RunTask: func(ctx context.Context, step history.Step, recorder *history.Recorder) (history.Load, error) {
			return carryOutStep(ctx, step, workloads.Environment{
				Node: n.Name, Files: files, Recorder: recorder, WebURL: "http://" + n.Web, Log: n.log, Patience: n.CallTime,
			})
		},
		Observe: func(ctx context.Context) (history.Observation, error) {
			observation := history.Observation{Source: history.SourceMount}
			var err error
			observation.Objects, err = observe.Objects(ctx, tree, observe.Options{CallTime: n.CallTime})
			if hung, ok := errors.AsType[*observe.HungError](err); ok {
				observation.Error, observation.Hung = err.Error(), &hung.HungCall
				return observation, nil
			}
			return observation, err
		},
		Ready: func(ctx context.Context, _ string) error { return answers(ctx, "tcp", n.Web) },
	}
}

// runOnMount is the life of such a client's agent. When the harness is gone, which removes what the run has made otherwise, a process is left behind that
// does it: at once, since the janitor of the run does not wait for agents for long.
func (n *node) runOnMount(ctx context.Context, settings agent.Config, hooks agent.Hooks) error {
	removing := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { removing <- mounts.RemoveLater(n.executable, n.Coda) })
	err := agent.Run(ctx, settings, hooks)
	switch {
	case !stop():
		return errors.Join(err, <-removing)
	case errors.Is(err, agent.ErrHeartbeat):
		return errors.Join(err, mounts.RemoveLater(n.executable, n.Coda))
	}
	return err
}

func directoryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "directory REQUEST",
		Short: "Do one thing in a mount of a file system that is not ours, which may hang",
		Args:  oneArgument("request"),
		RunE:  func(cmd *cobra.Command, args []string) error { return mounts.Do(args[0], cmd.OutOrStdout()) },
	}
}
