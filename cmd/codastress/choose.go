package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/processes"
	"github.com/codastress/codastress/harness/cluster/simulation"
	"github.com/codastress/codastress/harness/nearest"
)

// A choice is where and how a run's nodes work, and one line on why.
type choice struct {
	driver cluster.Driver // nil: the run is simulated
	mount  string
	why    string
}

// probeTime bounds the question whether a container engine answers.
const probeTime = 10 * time.Second

// choose finds the driver and the kind of mount for the flags of a run.
func choose(ctx context.Context, flags runFlags) (choice, error) {
	if len(flags.mounts) > 0 {
		return chooseMounts(flags)
	}
	if flags.runtime == simulation.Name {
		// Below the kernel is where a simulation begins.
		mount, _, err := chooseMount(flags.mount, func() error { return errors.New("a simulation has no kernel") })
		return choice{mount: mount, why: "runtime simulation, as asked"}, err
	}
	driver, why, err := chooseRuntime(ctx, flags.runtime)
	if err != nil {
		return choice{}, err
	}
	// Where containers mount, they may: only their engine has to have the device.
	inPlace := driver.Name() == processes.New().Name()
	mount, reason, err := chooseMount(flags.mount, func() error { return fuseProblem(inPlace) })
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
	names := []string{"auto", simulation.Name}
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

// chooseMount finds the kind of mount for what was asked for. fuse says why there is no FUSE, nil where there is.
func chooseMount(name string, fuse func() error) (mount, why string, err error) {
	switch name {
	case mountDirect:
		return mountDirect, "", nil
	case mountFUSE, "auto":
		problem := fuse()
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

// fuseProblem says why this machine has no FUSE, or why this process cannot mount it in its own place, nil where it can.
func fuseProblem(inPlace bool) error {
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := device.Close(); err != nil || !inPlace || mayMount() {
		return err
	}
	helper, err := exec.LookPath("fusermount3")
	if err != nil {
		return fmt.Errorf("this user may not mount, and has no helper: %w", err)
	}
	if info, err := os.Stat(helper); err != nil || info.Mode()&os.ModeSetuid == 0 {
		return fmt.Errorf("this user may not mount, and %s is not set up to (it has no setuid bit)", helper)
	}
	return nil
}

// mayMount says whether this process has CAP_SYS_ADMIN.
func mayMount() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&header, &sets[0]) == nil && sets[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
