package coda

import "strings"

// Profile names a set of policies: ways of doing what Coda has done differently over the years. The zero value stands for Modern.
type Profile string

// The profiles. docs/profiles.md says which policies each has.
const (
	Coda61 Profile = "coda-6.1" // of the field report, October 2006: what is connected writes to the server
	Coda69 Profile = "coda-6.9" // November 2006 and after: everything is logged and reintegrated
	Modern Profile = "modern"
)

// Profiles lists the profiles, the oldest first.
func Profiles() []Profile { return []Profile{Coda61, Coda69, Modern} }

// Historical reports whether a profile is one of Coda's own.
func (p Profile) Historical() bool { return p == Coda61 || p == Coda69 }

// ParseProfile finds a profile by its name; "" is Modern.
func ParseProfile(name string) (Profile, error) {
	if name == "" {
		return Modern, nil
	}
	var names []string
	for _, p := range Profiles() {
		if string(p) == name {
			return p, nil
		}
		names = append(names, string(p))
	}
	return "", Errorf("choose a profile", Invalid, "%q is none of %s", name, strings.Join(names, ", "))
}
