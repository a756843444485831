package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/nearest"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A decoder takes values out of a YAML tree, and remembers where each field stood.
type decoder struct {
	places map[string]place
	commas bool // a list may be written as one text with commas
}

type place struct{ line, column int }

// take reads the value of one field.
type take func(path string, node ast.Node) error

type field struct {
	name string
	take take
}

// document parses the one document of a file. Its body is nil where the file says nothing.
func document(text []byte) (body ast.Node, err error) {
	// The parser has been seen to panic on garbage.
	defer func() {
		if problem := recover(); problem != nil {
			err = wrong("", "this is not YAML: the parser gave up: %v", problem)
		}
	}()
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		var positioned yaml.Error
		if !errors.As(err, &positioned) {
			return nil, wrong("", "this is not YAML: %v", err)
		}
		return nil, at(positioned.GetToken(), "", "%s", positioned.GetMessage())
	}
	if len(file.Docs) > 1 {
		return nil, at(file.Docs[1].Start, "", "a second document begins here: a file holds one scenario")
	}
	if len(file.Docs) == 0 {
		return nil, nil
	}
	return file.Docs[0].Body, nil
}

// valueOf after the path of a field is where its value stands, where both places are remembered.
const valueOf = "="

// note remembers where a field stands. The token of a mapping is its first colon, which is not where a person sees it begin.
func (d *decoder) note(path string, node ast.Node) {
	if pairs, ok := node.(*ast.MappingNode); ok && !pairs.IsFlowStyle && len(pairs.Values) > 0 {
		node = pairs.Values[0].Key
	}
	if tk := node.GetToken(); tk != nil && tk.Position != nil {
		d.places[path] = place{tk.Position.Line, tk.Position.Column}
	}
}

// mapping takes the fields of a mapping; any other field is an error. Nothing at all is an empty mapping.
func (d *decoder) mapping(path string, node ast.Node, fields []field) error {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return d.each(path, node, func(path, key string, value ast.Node) error {
		for _, f := range fields {
			if f.name == key {
				return f.take(path, value)
			}
		}
		return &Error{Field: path, Problem: nearest.Unknown("field", key, names)}
	})
}

// each calls do for every pair of a mapping, with the path of its value.
func (d *decoder) each(path string, node ast.Node, do func(path, key string, value ast.Node) error) error {
	if node == nil || node.Type() == ast.NullType {
		return nil
	}
	pairs, ok := node.(ast.MapNode)
	if !ok {
		return at(node.GetToken(), path, "%s stands here: want fields, each with a value", describe(node))
	}
	for pair := pairs.MapRange(); pair.Next(); {
		key, ok := pair.Key().(*ast.StringNode)
		if !ok {
			return at(pair.Key().GetToken(), path, "%s cannot be the name of a field", describe(pair.Key()))
		}
		inner := key.Value
		if path != "" {
			inner = path + "." + inner
		}
		d.note(inner, pair.Key())
		if err := do(inner, key.Value, pair.Value()); err != nil {
			return err
		}
	}
	return nil
}

// list calls do for every item of a list.
func (d *decoder) list(path string, node ast.Node, do take) error {
	if node == nil || node.Type() == ast.NullType {
		return nil
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		return at(node.GetToken(), path, "%s stands here: want a list, as in [one, two]", describe(node))
	}
	for i, value := range sequence.Values {
		inner := item(path, i)
		d.note(inner, value)
		if err := do(inner, value); err != nil {
			return err
		}
	}
	return nil
}

// scalar is the value of a node as it was written, without quotes.
func scalar(path string, node ast.Node) (string, error) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, nil
	case *ast.LiteralNode:
		return node.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, nil
	default:
		return "", at(node.GetToken(), path, "%s stands here: want a single value", describe(node))
	}
}

func (d *decoder) text(into *string) take {
	return func(path string, node ast.Node) error {
		d.note(path, node)
		text, err := scalar(path, node)
		*into = text
		return err
	}
}

// prose is text for people: blank lines around it mean nothing.
func (d *decoder) prose(into *string) take {
	return func(path string, node ast.Node) error {
		text, err := scalar(path, node)
		*into = strings.TrimSpace(text)
		return err
	}
}

func (d *decoder) argument(into map[string]string, key string) take {
	return func(path string, node ast.Node) error {
		d.note(path+valueOf, node)
		text, err := scalar(path, node)
		into[key] = text
		return err
	}
}

// texts replaces a list of texts.
func (d *decoder) texts(into *[]string) take {
	return func(path string, node ast.Node) error {
		*into = nil
		if line, ok := node.(*ast.StringNode); ok && d.commas {
			for text := range strings.SplitSeq(line.Value, ",") {
				*into = append(*into, strings.TrimSpace(text))
			}
			return nil
		}
		return d.list(path, node, func(path string, node ast.Node) error {
			text, err := scalar(path, node)
			*into = append(*into, text)
			return err
		})
	}
}

func (d *decoder) integer(into *int) take {
	return parsed(d, into, "is no whole number", strconv.Atoi)
}

func (d *decoder) number(into *float64) take {
	return parsed(d, into, "is no number", func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
}

func (d *decoder) duration(into *time.Duration) take {
	return parsed(d, into, "is no length of time: write a number with its unit, as in 10s, 500ms or 1m30s", time.ParseDuration)
}

// parsed takes a scalar that parse turns into a value.
func parsed[T any](d *decoder, into *T, problem string, parse func(string) (T, error)) take {
	return func(path string, node ast.Node) error {
		d.note(path, node)
		text, err := scalar(path, node)
		if err != nil {
			return err
		}
		value, err := parse(text)
		if err != nil {
			return at(node.GetToken(), path, "%q %s", text, problem)
		}
		*into = value
		return nil
	}
}

// at makes an error at a place of the file.
func at(tk *token.Token, path, format string, args ...any) *Error {
	problem := &Error{Field: path, Problem: fmt.Sprintf(format, args...)}
	if tk != nil && tk.Position != nil {
		problem.Line, problem.Column = tk.Position.Line, tk.Position.Column
	}
	return problem
}

// describe says in words what kind of node stands somewhere.
func describe(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case ast.MapNode:
		return "a group of fields"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor, an alias or a merge, which scenarios do not have,"
	case *ast.TagNode:
		return "a tag, which scenarios do not have,"
	default:
		return "a single value"
	}
}
