package coda

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A Constant is a duration or a whole number that a daemon does its work with: a field of a struct whose tag says what it is for.
type Constant struct {
	Name  string // of the field, in small letters: CacheBytes is cache_bytes; what is in a struct has that struct's name before its own
	Doc   string
	value reflect.Value
}

// Constants are those in the structs that are pointed to, in the order in which they stand there. Each of their fields is a duration, a whole number, or a
// struct of such fields.
func Constants(structs ...any) []Constant {
	var all []Constant
	for _, one := range structs {
		all = append(all, constantsIn(reflect.ValueOf(one).Elem(), "", "")...)
	}
	return all
}

func constantsIn(of reflect.Value, prefix, about string) (all []Constant) {
	for i := range of.NumField() {
		field, value := of.Type().Field(i), of.Field(i)
		c := Constant{Name: prefix + snake(field.Name), Doc: about + field.Tag.Get("doc"), value: value}
		if value.Kind() == reflect.Struct {
			all = append(all, constantsIn(value, c.Name+"_", c.Doc+": ")...)
		} else {
			all = append(all, c)
		}
	}
	return all
}

// snake writes the name of a field in small letters: LogBusy is log_busy, COP2 is cop2.
func snake(name string) string {
	var words strings.Builder
	letters := []rune(name)
	for i, letter := range letters {
		if i > 0 && unicode.IsUpper(letter) && unicode.IsLower(letters[i-1]) {
			words.WriteByte('_')
		}
		words.WriteRune(unicode.ToLower(letter))
	}
	return words.String()
}

// forever is the least duration that stands for one without an end.
const forever = 1 << 62

// String is the value: a duration with its units, "never" where it has no end, or a whole number.
func (c Constant) String() string {
	switch {
	case !c.duration():
		return fmt.Sprint(c.value.Interface())
	case c.value.Int() >= forever:
		return "never"
	default:
		return time.Duration(c.value.Int()).String()
	}
}

func (c Constant) duration() bool { return c.value.Type() == reflect.TypeFor[time.Duration]() }

// Set reads a value: a duration with its unit, or a whole number, more than 0.
func (c Constant) Set(text string) error {
	switch kind := c.value.Kind(); {
	case c.duration():
		length, err := time.ParseDuration(text)
		if err != nil || length <= 0 {
			return wrongValue(text, "no length of time that is more than 0: write a number with its unit, as in 10s, 500ms or 1m30s")
		}
		c.value.SetInt(int64(length))
	case kind == reflect.Uint32 || kind == reflect.Uint64:
		number, err := strconv.ParseUint(text, 10, c.value.Type().Bits())
		if err != nil || number == 0 {
			return wrongValue(text, "no whole number that is more than 0")
		}
		c.value.SetUint(number)
	default:
		number, err := strconv.ParseInt(text, 10, c.value.Type().Bits())
		if err != nil || number <= 0 {
			return wrongValue(text, "no whole number that is more than 0")
		}
		c.value.SetInt(number)
	}
	return nil
}

func wrongValue(text, problem string) error { return fmt.Errorf("%q is %s", text, problem) }

// SetConstants sets some of the constants in structs by their names.
func SetConstants(values map[string]string, structs ...any) error {
	all := Constants(structs...)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(all, func(c Constant) bool { return c.Name == name })
		if i < 0 {
			return Errorf("set "+name, Invalid, "there is no such constant")
		}
		if err := all[i].Set(values[name]); err != nil {
			return &Error{Op: "set " + name, Kind: Invalid, Err: err}
		}
	}
	return nil
}

// DescribeConstants writes the constants in structs on one line.
func DescribeConstants(structs ...any) string {
	var words []string
	for _, c := range Constants(structs...) {
		words = append(words, c.Name+"="+c.String())
	}
	return strings.Join(words, " ")
}
