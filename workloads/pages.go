package workloads

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const (
	// maxFetchers is the most pages that are being fetched at a time: the MaxClients of the web server.
	maxFetchers = 200
	// lateTime is how late a fetch may start, as a busy machine has it. What could not start by then is missed.
	lateTime = 250 * time.Millisecond
)

// fetchPages fetches random pages from the node's web server at a fixed rate, whether the server keeps up or not, and checks every body.
func fetchPages(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	s, rate, err := ratedSite(step)
	if err != nil {
		return history.Load{}, err
	}
	random := rand.New(rand.NewPCG(derive(step.Seed, env.Node), 0))
	return fetchAtRate(ctx, step, env, rate, func() string { return s.page(random.IntN(s.pages)) })
}

// fetchAtRate fetches what is chosen, one choice at a time, from the node's web server.
func fetchAtRate(ctx context.Context, step history.Step, env Environment, rate int, choose func() string) (history.Load, error) {
	base, err := url.Parse(env.WebURL)
	if err != nil || base.Host == "" {
		return history.Load{}, fmt.Errorf("the web server's address %q is not a URL with a host", env.WebURL)
	}
	fetcher := newFetcher(ctx, env, base.Path)
	defer fetcher.transport.CloseIdleConnections()
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{Transport: fetcher}), vegeta.MaxWorkers(maxFetchers), vegeta.Redirects(vegeta.NoFollow),
	)
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	pace := &openLoop{interval: time.Second / time.Duration(rate), length: step.Length}
	var started uint64
	for range attacker.Attack(targeter(base, choose), pace, 0, "") {
		started++
	}
	planned := pace.total()
	// Half of what was planned: a client that is down for a while answers less, one that never worked answers nothing.
	return history.Load{Done: fetcher.answered.Load(), Missed: planned - min(started, planned), Wanted: planned / 2}, nil
}

// targeter names what is chosen.
func targeter(base *url.URL, choose func() string) vegeta.Targeter {
	var mu sync.Mutex
	return func(target *vegeta.Target) error {
		mu.Lock()
		chosen := choose()
		mu.Unlock()
		target.Method, target.URL = http.MethodGet, base.JoinPath(chosen).String()
		return nil
	}
}

// An openLoop starts something at a fixed rate. When it could not start for long, as all workers were waiting, it goes on at the rate and
// does not make up for what it missed: a burst would be another load than the one that was asked for. It is for one attack.
type openLoop struct {
	interval, length time.Duration
	skipped          uint64
}

var _ vegeta.Pacer = (*openLoop)(nil)

// total is how many starts there are in time.
func (o *openLoop) total() uint64 { return uint64(o.length / o.interval) }

// Pace implements vegeta.Pacer.
func (o *openLoop) Pace(elapsed time.Duration, started uint64) (wait time.Duration, stop bool) {
	slot := started + o.skipped
	if late := elapsed - lateTime; late > 0 {
		if due := uint64(late / o.interval); due > slot {
			o.skipped += due - slot
			slot = due
		}
	}
	if slot >= o.total() {
		return 0, true
	}
	return max(0, time.Duration(slot)*o.interval-elapsed), false
}

// Rate implements vegeta.Pacer.
func (o *openLoop) Rate(time.Duration) float64 { return float64(time.Second) / float64(o.interval) }

// A fetcher is an http.RoundTripper that records each request as a Page.
type fetcher struct {
	ctx       context.Context // of the task; the requests have none of their own
	patience  time.Duration
	prefix    string // of the paths in URLs
	recorder  *history.Recorder
	transport *http.Transport
	answered  atomic.Uint64 // pages, and words that there is no such page

	mu   sync.Mutex
	idle []visitor
}

// A visitor fetches one page after the other.
type visitor struct {
	*history.Worker
	buffer []byte // for reading
}

func newFetcher(ctx context.Context, env Environment, prefix string) *fetcher {
	dial := env.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: env.Patience}).DialContext
	}
	return &fetcher{
		ctx: ctx, patience: env.Patience, prefix: strings.TrimSuffix(prefix, "/") + "/", recorder: env.Recorder,
		// Each page has a connection of its own, as many visitors have. The client would silently repeat a request whose kept connection broke.
		transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}
}

// RoundTrip implements http.RoundTripper: it fetches and checks a whole page, and returns it with an empty body.
func (f *fetcher) RoundTrip(request *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(request.URL.Path, f.prefix)
	ctx, cancel := context.WithTimeout(f.ctx, f.patience)
	defer cancel()
	visitor := f.visitor()
	pending := visitor.Begin(history.Page, path, "")
	content := newSeen(path, visitor.buffer)
	response, err := f.fetch(request.WithContext(ctx), content)
	if err != nil && ctx.Err() != nil {
		pending.Abandon(syscall.ETIMEDOUT) // the server may still be at it
		return nil, err
	}
	pending.End(f.judge(response, content, err))
	f.release(visitor)
	if err != nil {
		return nil, err
	}
	return response, nil
}

// fetch reads a whole page. With an error, the response is what came before it.
func (f *fetcher) fetch(request *http.Request, content io.Writer) (*http.Response, error) {
	response, err := f.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(content, response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	response.Body = http.NoBody
	return response, err
}

// judge says what a fetch saw. A page that is not there is Failed with ENOENT; any other status than 200 is Failed without an errno.
func (f *fetcher) judge(response *http.Response, content *seen, err error) history.End {
	var end history.End
	if response != nil {
		end.HTTP = uint16(response.StatusCode)
	}
	end.Outcome = history.Failed
	switch {
	case err != nil:
		end.Errno = errnoOf(err)
	case end.HTTP == http.StatusNotFound:
		end.Errno = syscall.ENOENT
		f.answered.Add(1)
	case end.HTTP == http.StatusOK:
		end = content.end()
		end.HTTP, end.Outcome = http.StatusOK, history.OK
		f.answered.Add(1)
	}
	return end
}

// visitor takes a visitor who is at no page.
func (f *fetcher) visitor() visitor {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.idle) == 0 {
		return visitor{f.recorder.Worker(), make([]byte, readSize)}
	}
	last := len(f.idle) - 1
	idle := f.idle[last]
	f.idle = f.idle[:last]
	return idle
}

// release gives a visitor back whose page is done.
func (f *fetcher) release(idle visitor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, idle)
}
