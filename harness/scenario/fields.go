package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// Fields are the fields of a scenario by their paths, as in faults.gap, with what the schema says of them. Those of the items of a list have the path of the list
// before their own. What parameters there are is not among them.
func Fields() []Term {
	workload := ParametricTerm{Term: Term{Doc: "Names the workload: `codastress list workloads`."}}
	all := fieldsIn("", schemaOf([]ParametricTerm{workload}, nil, nil, nil, nil))
	slices.SortFunc(all, func(a, b Term) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b Term) bool { return a.Name == b.Name })
}

// fieldsIn are the fields below a path.
func fieldsIn(path string, schema object) (all []Term) {
	properties, _ := schema["properties"].(object)
	for _, name := range keys(properties) {
		property := properties[name].(object)
		inner := strings.TrimPrefix(path+"."+name, ".")
		all = append(all, Term{Name: inner, Doc: fieldDoc(property)})
		all = append(all, fieldsIn(inner, property)...)
	}
	if items, ok := schema["items"].(object); ok {
		all = append(all, fieldsIn(path, items)...)
	}
	each, _ := schema["oneOf"].([]object)
	for _, one := range each {
		all = append(all, fieldsIn(path, one)...)
	}
	return all
}

// fieldDoc is what the schema says of a field, and the bounds that it has.
func fieldDoc(property object) string {
	doc, _ := property["description"].(string)
	if initial, ok := property["default"]; ok {
		doc += fmt.Sprintf("\nWithout it: %v.", initial)
	}
	least, bounded := property["minimum"]
	if most, ok := property["maximum"]; ok && bounded {
		doc += fmt.Sprintf("\nFrom %v to %v.", least, most)
	}
	return strings.TrimSpace(doc)
}
