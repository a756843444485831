package proxy

import (
	"net/http"
	"strings"
)

// API is Toxiproxy's own interface to the links, for its client package and its command line: what the gate does not do, such as latency
// and bandwidth, is done with Toxiproxy's toxics. A link is a proxy there, not "enabled" since we accept its connections. What would take the links
// or their gates away is refused with 403.
func (s *Server) API() http.Handler {
	routes := s.api.Routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !harmless(r) {
			http.Error(w, `{"error":"links and their gates are set through the agent","status":403}`, http.StatusForbidden)
			return
		}
		routes.ServeHTTP(w, r)
	})
}

// harmless allows looking at everything, and changing every toxic but the gates.
func harmless(r *http.Request) bool {
	if r.Method == http.MethodGet {
		return true
	}
	link, toxic, ofToxics := strings.Cut(r.URL.Path, "/toxics")
	return ofToxics && strings.HasPrefix(link, "/proxies/") && !strings.HasPrefix(toxic, "/"+gateType+"_")
}
