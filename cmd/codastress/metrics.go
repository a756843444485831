package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
)

// figures are those of a daemon, taken when somebody asks for them.
type figures func(sample)

// sample gives a figure: its name behind "codastress_", what it says, its kind, and labels as names and values in turn.
type sample func(name, help string, kind prometheus.ValueType, value float64, labels ...string)

var _ prometheus.Collector = figures(nil)

// Describe implements prometheus.Collector. Which figures there are can change.
func (figures) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m figures) Collect(out chan<- prometheus.Metric) {
	m(func(name, help string, kind prometheus.ValueType, value float64, labels ...string) {
		var names, values []string
		for i := 0; i+1 < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		desc := prometheus.NewDesc("codastress_"+name, help, names, nil)
		metric, err := prometheus.NewConstMetric(desc, kind, value, values...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(desc, err)
		}
		out <- metric
	})
}

// serveMetrics answers Prometheus at /metrics until ctx ends. The address is host:port, or the path of a unix socket; "" is nowhere.
func serveMetrics(ctx context.Context, address string, of figures) error {
	if address == "" {
		return nil
	}
	listener, err := listenMetrics(address)
	if err != nil {
		return fmt.Errorf("listening for metrics: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(of, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler := http.NewServeMux()
	handler.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	var all errgroup.Group
	all.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	all.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving metrics on %s: %w", address, err)
		}
		return nil
	})
	return all.Wait()
}

func listenMetrics(address string) (net.Listener, error) {
	if strings.Contains(address, "/") {
		return listenUnix(address)
	}
	return net.Listen("tcp", address)
}

// scrape asks a daemon for its metrics.
func scrape(ctx context.Context, socket string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://daemon/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	reply, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for metrics: %w", err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("asking for metrics: %s: %s", reply.Status, text)
	}
	return text, err
}

// venusMetrics are the figures of a client.
func venusMetrics(v *venus.Venus) figures {
	return func(give sample) {
		volume, queue, asked := v.Volume(), v.Queue(), v.Counters()
		give("venus_state", "1 for the state that the volume is in", prometheus.GaugeValue, 1, "state", volume.State)
		give("venus_log_records", "records of the modify log", prometheus.GaugeValue, float64(volume.LogRecords))
		give("venus_log_bytes", "bytes of contents that the modify log still has to send", prometheus.GaugeValue, float64(volume.LogBytes))
		give("venus_cached_objects", "objects in the cache", prometheus.GaugeValue, float64(volume.CachedObjects))
		give("venus_cached_bytes", "bytes of contents in the cache", prometheus.GaugeValue, float64(volume.CachedBytes))
		give("venus_conflicts", "changes that the servers refused and that are kept", prometheus.GaugeValue, float64(volume.Conflicts))
		give("venus_queue_length", "operations that wait for a worker", prometheus.GaugeValue, float64(queue.Length))
		give("venus_queue_oldest_seconds", "how long the first of them has been waiting", prometheus.GaugeValue, queue.Oldest.Seconds())
		give("venus_workers_busy", "workers that have an operation", prometheus.GaugeValue, float64(queue.Busy))
		give("venus_requests_total", "requests to servers", prometheus.CounterValue, float64(asked.Requests))
		give("venus_resolutions_total", "requests to make one thing of what replicas differ in", prometheus.CounterValue, float64(asked.Resolutions))
		give("venus_fetched_bytes_total", "bytes of contents and directories that were fetched", prometheus.CounterValue, float64(asked.Fetched))
		give("venus_over_quota_total", "changes that were refused, since their volumes have no room for them", prometheus.CounterValue, float64(asked.OverQuota))
		for slot, r := range volume.Replicas {
			up := 0.0
			if r.Up {
				up = 1
			}
			give("venus_server_up", "1 for a server that is reachable", prometheus.GaugeValue, up, "slot", fmt.Sprint(slot), "address", r.Address)
		}
	}
}

// codasrvMetrics are the figures of a server.
func codasrvMetrics(s *vice.Server) figures {
	return func(give sample) {
		now := s.Counters()
		give("codasrv_sessions", "clients that are connected", prometheus.GaugeValue, float64(now.Sessions))
		give("codasrv_promises", "callbacks that clients were promised", prometheus.GaugeValue, float64(now.Promises))
		give("codasrv_requests", "requests that are being served", prometheus.GaugeValue, float64(now.Running))
		give("codasrv_request_oldest_seconds", "age of the oldest of them", prometheus.GaugeValue, now.Oldest.Seconds())
		for method, count := range now.Requests {
			give("codasrv_requests_total", "requests that were served or are being served", prometheus.CounterValue, float64(count), "method", method)
		}
		for _, v := range now.Volumes {
			give("codasrv_volume_bytes", "bytes of contents in a volume", prometheus.GaugeValue, float64(v.Used.Bytes), "volume", v.Name)
			give("codasrv_volume_objects", "objects in a volume", prometheus.GaugeValue, float64(v.Used.Objects), "volume", v.Name)
		}
	}
}
