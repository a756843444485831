package coda

import "strings"

// Profile names a set of policies: ways of doing what Coda has done differently over the years. The zero value stands for Modern.
type Profile string

// The profiles. docs/profiles.md says which policies each has.
const (
	Modern Profile = "modern"
)

// Profiles lists the profiles, the oldest first.
func Profiles() []Profile { return []Profile{Modern} }

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
