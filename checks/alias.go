package checks

import (
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// aliasOf is the name beside which replicas have put another one: where two clients gave one name to two objects without seeing each other, one of the
// objects keeps it, and the other one is NAME~NUMBER in the same directory (docs/replication.md). A server that is alone makes no such names.
func aliasOf(run *history.Run, name string) (beside string, ok bool) {
	if len(run.Meta.Servers) < 2 {
		return "", false
	}
	at := strings.LastIndexByte(name, '~')
	if at <= 0 || name[at-1] == '/' || at == len(name)-1 || strings.Trim(name[at+1:], "0123456789abcdef") != "" {
		return "", false
	}
	return name[:at], true
}
