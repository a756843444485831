package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrNoDriver says that nodes can be started nowhere on this machine.
var ErrNoDriver = errors.New("no runtime can be used")

// Choose returns the first of the drivers that is available, and one line that says which it is and why those before it are not.
func Choose(ctx context.Context, drivers ...Driver) (Driver, string, error) {
	var reasons []string
	for _, driver := range drivers {
		err := driver.Available(ctx)
		if err == nil {
			why := "runtime " + driver.Name()
			if len(reasons) > 0 {
				why += ", since " + strings.Join(reasons, " and ")
			}
			return driver, why, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s cannot be used: %v", driver.Name(), err))
	}
	return nil, "", fmt.Errorf("%w: %s", ErrNoDriver, strings.Join(reasons, "; "))
}
