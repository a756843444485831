package coda

import "strings"

// Profile names a set of policies: ways of doing what Coda has done differently over the years. The zero value stands for Modern.
type Profile string

// The profiles. docs/profiles.md says which policies each has.
const (
	Coda61 Profile = "coda-6.1"
	Coda69 Profile = "coda-6.9"
	Modern Profile = "modern"
)

// Profiles lists the profiles, the oldest first.
func Profiles() []Profile { return []Profile{Coda61, Coda69, Modern} }

// Doc says in a line what a profile is.
func (p Profile) Doc() string {
	switch p {
	case Coda61:
		return "Coda of October 2006, that of the field report: who is connected waits for the server"
	case Coda69:
		return "Coda of November 2006 and after: everything is logged and reintegrated"
	default:
		return "what this file system does when it may choose"
	}
}

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
