package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/nearest"
)

// A choice is where and how a run's nodes work, and one line on why.
type choice struct {
	driver cluster.Driver
	mount  string
	why    string
}

// probeTime bounds the question whether a container engine answers.
const probeTime = 10 * time.Second

// choose finds the driver and the kind of mount for the flags of a run.
func choose(ctx context.Context, flags runFlags) (choice, error) {
	driver, why, err := chooseRuntime(ctx, flags.runtime)
	if err != nil {
		return choice{}, err
	}
	mount, reason, err := chooseMount(flags.mount)
	if err != nil {
		return choice{}, err
	}
	if reason != "" {
		why += "; " + reason
	}
	return choice{driver: driver, mount: mount, why: why}, nil
}

func chooseRuntime(ctx context.Context, name string) (cluster.Driver, string, error) {
	all := drivers()
	names := []string{"auto"}
	for _, driver := range all {
		names = append(names, driver.Name())
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if name == "auto" {
		driver, why, err := cluster.Choose(ctx, all...)
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", harness.ErrCluster, err)
		}
		return driver, why, nil
	}
	for _, driver := range all {
		if driver.Name() != name {
			continue
		}
		if err := driver.Available(ctx); err != nil {
			return nil, "", fmt.Errorf("%w: the runtime %s cannot be used: %w", harness.ErrCluster, name, err)
		}
		return driver, "runtime " + name + ", as asked", nil
	}
	return nil, "", usageError{fmt.Errorf("%s", nearest.Unknown("runtime", name, names))}
}

// The kinds of mounts.
const (
	mountFUSE   = "fuse"
	mountDirect = "direct"
)

func chooseMount(name string) (mount, why string, err error) {
	switch name {
	case mountDirect:
		return mountDirect, "", nil
	case mountFUSE, "auto":
		problem := fuseProblem()
		if problem == nil {
			return mountFUSE, "", nil
		}
		if name == "auto" {
			return mountDirect, fmt.Sprintf("mount direct, since there is no FUSE: %v", problem), nil
		}
		return "", "", fmt.Errorf("%w: no FUSE: %w: run as root with /dev/fuse, or use --mount direct", harness.ErrCluster, problem)
	}
	return "", "", usageError{fmt.Errorf("%s", nearest.Unknown("mount", name, []string{"auto", mountFUSE, mountDirect}))}
}

// fuseProblem says why this machine cannot mount FUSE file systems, nil where it can.
func fuseProblem() error {
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return device.Close()
}
