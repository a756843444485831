package scenario

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/codastress/codastress/harness/history"
	"github.com/goccy/go-yaml/ast"

	"github.com/codastress/codastress/harness/nearest"
)

// Parse reads a scenario. The file only names it in errors, which are of the type [*Error]. With Names, unknown names are errors too.
func Parse(file string, text []byte, known ...Names) (Scenario, error) {
	sc, _, err := read(file, text, known...)
	return sc, err
}

// read is Parse, and gives where everything stands.
func read(file string, text []byte, known ...Names) (Scenario, Source, error) {
	sc := defaults()
	d := &decoder{places: map[string]place{}}
	source := Source{file: file, places: d.places}
	err := d.parse(text, &sc)
	if err == nil {
		err = sc.Validate()
	}
	for _, names := range known {
		if err == nil {
			err = sc.LookUp(names)
		}
	}
	if err != nil {
		return Scenario{}, Source{}, source.Locate(err)
	}
	return sc, source, nil
}

// parse reads a whole document over what sc says already.
func (d *decoder) parse(text []byte, sc *Scenario) error {
	if !utf8.Valid(text) {
		return wrong("", "this is not UTF-8 text")
	}
	body, err := document(text)
	if err != nil {
		return err
	}
	if err := d.scenario(body, sc); err != nil || !sc.Foreign() {
		return err
	}
	return d.foreign(sc)
}

// foreign fills in what follows from the mounts, which the file may say too.
func (d *decoder) foreign(sc *Scenario) error {
	clients, servers := sc.Clients, sc.Servers
	sc.On(sc.Mounts)
	if _, said := d.places["clients"]; said && clients != sc.Clients {
		return wrong("clients", "%d is not possible: each of the %d mounts is a client", clients, sc.Clients)
	}
	if _, said := d.places["servers"]; said && servers != 0 {
		return wrong("servers", "%d is not possible: the file system in the mounts has its own", servers)
	}
	return nil
}

func (d *decoder) scenario(node ast.Node, sc *Scenario) error {
	return d.mapping("", node, []field{
		{"name", d.text(&sc.Name)},
		{"doc", d.prose(&sc.Doc)},
		{"clients", d.integer(&sc.Clients)},
		{"servers", d.integer(&sc.Servers)},
		{"volumes", d.integer(&sc.Volumes)},
		{"profile", d.text(&sc.Profile)},
		{"time_scale", d.number(&sc.TimeScale)},
		{"constants", func(path string, node ast.Node) error { return d.constants(path, node, &sc.Constants) }},
		{"load", d.duration(&sc.Load)},
		{"workload", func(path string, node ast.Node) error { return d.workload(path, node, &sc.Workload) }},
		{"workloads", func(path string, node ast.Node) error { return d.workloads(path, node, &sc.Workloads) }},
		{"faults", func(path string, node ast.Node) error { return d.faults(path, node, &sc.Faults) }},
		{"limits", func(path string, node ast.Node) error {
			return d.mapping(path, node, []field{
				{"hang", d.duration(&sc.Limits.Hang)},
				{"converge", d.duration(&sc.Limits.Converge)},
				{"p99", d.duration(&sc.Limits.P99)},
				{"stall", d.duration(&sc.Limits.Stall)},
				{"recover", d.duration(&sc.Limits.Recover)},
				{"stale", d.duration(&sc.Limits.Stale)},
				{"cached", d.duration(&sc.Limits.Cached)},
			})
		}},
		{"mounts", d.texts(&sc.Mounts)},
		{"consistency", d.consistency(&sc.Consistency)},
		{"expect", func(path string, node ast.Node) error { return d.expect(path, node, &sc.Expect) }},
	})
}

// consistency takes a level, with its bound where it has one.
func (d *decoder) consistency(c *history.Consistency) take {
	return func(path string, node ast.Node) error {
		var text string
		if err := d.text(&text)(path, node); err != nil {
			return err
		}
		read, err := history.ParseConsistency(text)
		if err != nil {
			return at(node.GetToken(), path, "%v", err)
		}
		*c = read
		return nil
	}
}

// expectPass is what a scenario says that expects no symptom.
const expectPass = "pass"

// expect takes the word pass, or a list of symptoms.
func (d *decoder) expect(path string, node ast.Node, all *[]Symptom) error {
	*all = nil
	if word, ok := node.(*ast.StringNode); ok {
		if word.Value != expectPass {
			return at(node.GetToken(), path, "%q is not possible: write %s, or a list of symptoms", word.Value, expectPass)
		}
		return nil
	}
	return d.list(path, node, func(path string, node ast.Node) error {
		var s Symptom
		err := d.mapping(path, node, []field{
			{"profiles", d.texts(&s.Profiles)},
			{"check", d.text(&s.Check)},
			{"text", d.text(&s.Text)},
			{"figure", d.text(&s.Figure)},
			{"least", d.number(&s.Least)},
			{"most", d.number(&s.Most)},
		})
		*all = append(*all, s)
		return err
	})
}

// constants takes values for each kind of daemon. What was set before and is not named stays.
func (d *decoder) constants(path string, node ast.Node, all *Constants) error {
	return d.each(path, node, func(path, daemon string, node ast.Node) error {
		values := map[string]string{}
		err := d.each(path, node, func(path, name string, value ast.Node) error {
			return d.argument(values, name)(path, value)
		})
		if len(values) == 0 {
			return err
		}
		if *all == nil {
			*all = Constants{}
		}
		if (*all)[daemon] == nil {
			(*all)[daemon] = map[string]string{}
		}
		maps.Copy((*all)[daemon], values)
		return err
	})
}

// workload takes everything but the name as an argument. The arguments of another workload are forgotten.
func (d *decoder) workload(path string, node ast.Node, w *Workload) error {
	name, args := w.Name, map[string]string{}
	err := d.each(path, node, func(path, key string, value ast.Node) error {
		if key == "name" {
			return d.text(&name)(path, value)
		}
		return d.argument(args, key)(path, value)
	})
	if name != w.Name {
		w.Args = nil
	}
	w.Name = name
	for key, value := range args {
		if w.Args == nil {
			w.Args = map[string]string{}
		}
		w.Args[key] = value
	}
	return err
}

// workloads takes a list of workloads, each with its part of the load.
func (d *decoder) workloads(path string, node ast.Node, all *[]Workload) error {
	*all = nil
	return d.list(path, node, func(path string, node ast.Node) error {
		var w Workload
		err := d.each(path, node, func(path, key string, value ast.Node) error {
			for _, f := range d.part(&w) {
				if f.name == key {
					return f.take(path, value)
				}
			}
			if w.Args == nil {
				w.Args = map[string]string{}
			}
			return d.argument(w.Args, key)(path, value)
		})
		*all = append(*all, w)
		return err
	})
}

// part are the fields of one of several workloads that are no arguments of it.
func (d *decoder) part(w *Workload) []field {
	return []field{
		{"name", d.text(&w.Name)},
		{"start", d.duration(&w.Start)},
		{"length", d.duration(&w.Length)},
		{"clients", d.texts(&w.Clients)},
	}
}

// partNames are the names of those fields.
func partNames() []string {
	var names []string
	for _, f := range (&decoder{}).part(&Workload{}) {
		names = append(names, f.name)
	}
	return names
}

func (d *decoder) faults(path string, node ast.Node, f *Faults) error {
	return d.mapping(path, node, []field{
		{"must", d.texts(&f.Must)},
		{"mix", func(path string, node ast.Node) error {
			f.Mix = nil
			return d.each(path, node, func(path, name string, value ast.Node) error {
				var weight int
				err := d.integer(&weight)(path, value)
				if f.Mix == nil {
					f.Mix = map[string]int{}
				}
				f.Mix[name] = weight
				return err
			})
		}},
		{"least", d.duration(&f.Least)},
		{"gap", d.duration(&f.Gap)},
		{"steps", func(path string, node ast.Node) error {
			f.Steps = nil
			return d.list(path, node, func(path string, node ast.Node) error {
				step, err := d.step(path, node)
				f.Steps = append(f.Steps, step)
				return err
			})
		}},
	})
}

func (d *decoder) step(path string, node ast.Node) (Step, error) {
	var s Step
	err := d.mapping(path, node, []field{
		{"name", d.text(&s.Name)},
		{"nodes", d.texts(&s.Nodes)},
		{"start", d.duration(&s.Start)},
		{"when", func(path string, node ast.Node) error { return d.trigger(path, node, &s.When) }},
		{"length", d.duration(&s.Length)},
		{"args", func(path string, node ast.Node) error {
			return d.each(path, node, func(path, key string, value ast.Node) error {
				if s.Args == nil {
					s.Args = map[string]string{}
				}
				return d.argument(s.Args, key)(path, value)
			})
		}},
	})
	return s, err
}

// trigger takes what a step waits for.
func (d *decoder) trigger(path string, node ast.Node, when **history.Trigger) error {
	t := &history.Trigger{Count: 1}
	*when = t
	var operation, failpoint string
	err := d.mapping(path, node, []field{
		{"operation", d.text(&operation)},
		{"failpoint", d.text(&failpoint)},
		{"count", d.integer(&t.Count)},
		{"node", d.text(&t.Node)},
	})
	if t.Failpoint = history.Failpoint(failpoint); err == nil && failpoint != "" && !slices.Contains(history.Failpoints(), t.Failpoint) {
		return wrong(path+".failpoint", "%s", nearest.Unknown("failpoint", failpoint, failpointNames()))
	}
	if err != nil || operation == "" {
		return err
	}
	if t.Operation.UnmarshalText([]byte(operation)) != nil {
		return wrong(path+".operation", "%s", nearest.Unknown("operation", operation, kindNames()))
	}
	return nil
}

// failpointNames are the failpoints that can be waited for.
func failpointNames() []string {
	var names []string
	for _, point := range history.Failpoints() {
		names = append(names, string(point))
	}
	return names
}

// kindNames are the operations that can be waited for.
func kindNames() []string {
	var names []string
	for _, kind := range history.Kinds() {
		names = append(names, kind.String())
	}
	return names
}
