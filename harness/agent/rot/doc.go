// Package rot flips bits of files that a daemon keeps, as disks do that give other bytes than were written to them.
package rot
