package scenario

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// A Term is a name that a scenario can use, and what it stands for.
type Term struct {
	Name string
	Doc  string // the first line is a summary
}

// A ParametricTerm is a workload or a fault with its parameters.
type ParametricTerm struct {
	Term
	Parameters []ParameterTerm
}

// A ParameterTerm is a parameter of a workload or a fault.
type ParameterTerm struct {
	Term
	Default string // "" where it is no value
}

// object is a part of a JSON Schema.
type object map[string]any

// Schema is the JSON Schema (draft 2020-12) of scenario files that use these workloads, faults, profiles, checks and daemons with their constants. It is what an editor completes and explains fields
// with; [Parse] is stricter, since it looks at values too.
func Schema(workloads, faults []ParametricTerm, profiles, checks []Term, daemons []ParametricTerm) ([]byte, error) {
	schema := schemaOf(workloads, faults, profiles, checks, daemons)
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema of scenarios: %w", err)
	}
	return append(text, '\n'), nil
}

func schemaOf(workloads, faults []ParametricTerm, profiles, checks []Term, daemons []ParametricTerm) object {
	initial := defaults()
	weights := object{}
	for _, fault := range faults {
		weights[fault.Name] = object{"type": "integer", "minimum": 1, "maximum": maxWeight, "description": fault.Doc}
	}
	kind := object{"oneOf": terms(bare(faults)), "description": "Names the fault: `codastress list faults`."}
	properties := object{
		"name":       object{"type": "string", "pattern": validName.String(), "description": "Names the run directory."},
		"doc":        object{"type": "string", "description": "What the scenario is for. The first line is what `codastress list` shows."},
		"clients":    whole(maxNodes, initial.Clients, "Nodes that mount the file system."),
		"servers":    whole(maxSlots, initial.Servers, "Nodes that hold the file system. Each holds every volume, so this is the number of replicas."),
		"volumes":    object{"type": "integer", "minimum": 0, "maximum": maxVolumes, "default": 0, "description": "Of each client: the first directories that it makes are volumes of their own."},
		"profile":    object{"oneOf": terms(profiles), "default": initial.Profile, "description": "How the file system does what can be done in several ways."},
		"time_scale": object{"type": "number", "minimum": 1.0 / maxScale, "maximum": maxScale, "default": initial.TimeScale, "description": "Divides the time constants of the file system."},
		"constants":  constantsSchema(daemons),
		"load":       span(initial.Load.String(), "How long the workload and the faults go on."),
		"workload": object{
			"oneOf": workloadSchemas(workloads, nil), "description": "What is done to the file system: the name of a workload, and the parameters that are not to have their defaults.",
		},
		"workloads": object{
			"type": "array", "minItems": 1, "items": object{"oneOf": workloadSchemas(workloads, object{
				"start":   span("0s", "After the start of the load."),
				"length":  span("", "For how long; without it, until the load ends."),
				"clients": object{"type": "array", "minItems": 1, "items": object{"type": "string"}, "description": "The clients that do it; without them, all."},
			})},
			"description": "Several workloads in the place of one, side by side or one after the other, each with the fields of a workload and its part of the load.",
		},
		"faults": closed("What harm is done: faults that the seed places, or fixed steps, or both.", object{
			"must":  object{"type": "array", "items": kind, "description": "Each is placed at least once, as often as it is named."},
			"mix":   closed("Weights of the faults that fill what time is left.", weights),
			"least": span(initial.Faults.Least.String(), "The least time from the injection of a placed fault to its healing."),
			"gap":   span(initial.Faults.Gap.String(), "The least time from the healing of a placed fault to the next one."),
			"steps": object{"type": "array", "description": "Faults at fixed times.", "items": stepSchema(kind, faults)},
		}),
		"limits": closed("What the checks hold the run against.", object{
			"hang":     span(initial.Limits.Hang.String(), "The longest that a call may take."),
			"converge": span(initial.Limits.Converge.String(), "From healing to equal trees."),
			"p99":      span("", "What 99 of 100 calls that no fault hinders may take; without it they may take what they like."),
			"stall":    span("", "The longest in which calls of a client that no fault hinders may wait without one that returns; without it, as long as they like."),
			"stale":    span("", "For how long a client that is connected may not see what has reached the servers; without it, for a lease of the profile."),
			"cached":   span("", "The longest that a client may take for what it has, with every server gone; without it, a second with the profile modern."),
			"recover":  span("", "From the healing of what hindered a client until its calls are quick again; without it, as long as they like."),
		}),
		"mounts": object{
			"type": "array", "minItems": 2, "items": object{"type": "string", "pattern": "^/"},
			"description": "Directories that are mounts of one file system, which is not ours, each for a client. There are no servers then.",
		},
		"consistency": object{
			"type": "string", "pattern": `^(close-to-open|session|eventual=.+)$`, "default": string(history.CloseToOpen),
			"description": "What the file system in the mounts claims: close-to-open, session, or eventual=TIME.",
		},
		"expect": object{"description": "What is expected of the checks: pass, or symptoms.", "oneOf": []object{
			{"const": expectPass, "description": "Every check is to pass."},
			{"type": "array", "description": "Symptoms that must show up; every other check is to pass.", "items": closed("A check that must fail.", object{
				"check":    object{"oneOf": terms(checks), "description": "Names the check: `codastress list checks`."},
				"profiles": object{"type": "array", "items": object{"oneOf": terms(profiles)}, "description": "With which the symptom must show up; with any where none is named."},
				"text":     object{"type": "string", "description": "What the check must say in its summary or its evidence."},
				"figure":   object{"type": "string", "description": "A figure of the check that must be large or small enough."},
				"least":    object{"type": "number", "description": "How large it must be, in its own unit."},
				"most":     object{"type": "number", "description": "How large it may be, in its own unit; with 0, as large as it likes."},
			}, "check")},
		}},
	}
	schema := closed("A scenario of codastress: how large a cluster, which workload, which faults, and the limits that the run is held against.", properties, "name")
	schema["oneOf"] = []object{{"required": []string{"workload"}}, {"required": []string{"workloads"}}}
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "codastress scenario"
	return schema
}

// workloadSchemas allow with each name the parameters of that workload, and no others but more.
func workloadSchemas(workloads []ParametricTerm, more object) []object {
	var each []object
	for _, workload := range workloads {
		properties := object{"name": object{"const": workload.Name, "description": workload.Doc}}
		for name, property := range parameterSchemas(workload) {
			properties[name] = property
		}
		maps.Copy(properties, more)
		each = append(each, closed(summary(workload.Doc), properties, "name"))
	}
	return each
}

// constantsSchema allows for each kind of daemon its constants.
func constantsSchema(daemons []ParametricTerm) object {
	each := object{}
	for _, daemon := range daemons {
		each[daemon.Name] = closed(daemon.Doc, parameterSchemas(daemon))
	}
	return closed("Constants of the daemons that are not to be as the profile has them. They are what a daemon has: time_scale does not divide them.", each)
}

// stepSchema is a fault at a fixed time, which can have the arguments of the fault with its name, and no others.
func stepSchema(kind object, faults []ParametricTerm) object {
	step := closed("A fault at a fixed time.", object{
		"name":  kind,
		"nodes": object{"type": "array", "minItems": 1, "items": object{"type": "string"}, "description": "Where; of a link, the node that connects comes first."},
		"start": span("0s", "After the start of the load, or after what the fault waits for."),
		"when": closed("What the fault waits for: so many operations of the load that succeeded, or a daemon that comes to a failpoint so many times.", object{
			"operation": object{"enum": kindNames(), "description": "The kind of operation."},
			"failpoint": object{"enum": failpointNames(), "description": "What the daemon of the node is about to do; only in a simulation. What it was doing stands still until the fault is there."},
			"count":     object{"type": "integer", "minimum": 1, "maximum": maxCount, "default": 1, "description": "How many."},
			"node":      object{"type": "string", "description": "The client that does the operations; without it, all clients together. Or the node whose daemon comes to the failpoint."},
		}),
		"length": span("", "Until it is healed."),
		"args":   object{"type": "object", "description": "Parameters of the fault that are not to be drawn."},
	}, "name", "nodes", "length")
	var each []object
	for _, fault := range faults {
		each = append(each, object{
			"if":   object{"properties": object{"name": object{"const": fault.Name}}, "required": []string{"name"}},
			"then": object{"properties": object{"args": closed("Parameters of "+fault.Name+".", parameterSchemas(fault))}},
		})
	}
	if len(each) > 0 {
		step["allOf"] = each
	}
	return step
}

// parameterSchemas are the parameters of a workload or a fault, by their names.
func parameterSchemas(of ParametricTerm) object {
	properties := object{}
	for _, parameter := range of.Parameters {
		property := scalarSchema()
		property["description"] = parameter.Doc
		if parameter.Default != "" {
			property["default"] = parameter.Default
		}
		properties[parameter.Name] = property
	}
	return properties
}

// bare are terms without their parameters.
func bare(all []ParametricTerm) []Term {
	var each []Term
	for _, term := range all {
		each = append(each, term.Term)
	}
	return each
}

// closed is a group of fields that has no others, with the names of those that must be there.
func closed(doc string, properties object, required ...string) object {
	group := object{"type": "object", "additionalProperties": false, "properties": properties, "description": doc}
	if len(required) > 0 {
		group["required"] = required
	}
	return group
}

// terms are the names of which a field has one, each with its own explanation.
func terms(all []Term) []object {
	var each []object
	for _, term := range all {
		each = append(each, object{"const": term.Name, "description": term.Doc})
	}
	return each
}

func whole(most, initial int, doc string) object {
	return object{"type": "integer", "minimum": 1, "maximum": most, "default": initial, "description": doc}
}

// span is a length of time, as time.ParseDuration reads it.
func span(initial, doc string) object {
	field := object{"type": "string", "pattern": `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`, "description": doc + " A number with its unit, as in 10s or 1m30s."}
	if initial != "" {
		field["default"] = initial
	}
	return field
}

// scalarSchema is any single value: arguments are texts to whoever reads them.
func scalarSchema() object { return object{"type": []string{"string", "number", "boolean"}} }

// summary is the first line of a text.
func summary(doc string) string {
	first, _, _ := strings.Cut(doc, "\n")
	return first
}
