package coda

import "strings"

// MaxVolumeName is how many bytes the name of a volume may have, as in Coda.
const MaxVolumeName = 31

// ValidVolumeName refuses names that a volume cannot have: they are part of mount links and of command lines. Its error has kind Invalid.
func ValidVolumeName(name string) error {
	other := func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-", r)
	}
	if name == "" || len(name) > MaxVolumeName || strings.ContainsFunc(name, other) || strings.HasPrefix(name, "-") {
		return Errorf("check volume name", Invalid, "%q: 1 to %d letters, digits, dots, colons, underscores and hyphens are needed, the first no hyphen", name, MaxVolumeName)
	}
	return nil
}

// MountLink is the target of the symlink that mounts a volume: a client shows the root of the volume in its place. The form is Coda's, and the full stop at
// its end tells a whole one.
func MountLink(volume string) string { return "#" + volume + "." }

// MountedVolume gives the name of the volume that a symlink mounts; false for a symlink that is no mount link. There need not be such a volume.
func MountedVolume(target string) (volume string, ok bool) {
	volume, ok = strings.CutPrefix(target, "#")
	if !ok {
		return "", false
	}
	volume, ok = strings.CutSuffix(volume, ".")
	return volume, ok && ValidVolumeName(volume) == nil
}
