package faults

// Where faults can be injected that not every runtime has: the names of runtimes.
const (
	Simulation = "simulation"
	Containers = "containers"
)

// OnlyIn is the runtime that a fault can be injected in alone, "" where any will do.
func OnlyIn(fault Fault) string {
	if choosy, ok := fault.(interface{ OnlyIn() string }); ok {
		return choosy.OnlyIn()
	}
	return ""
}
