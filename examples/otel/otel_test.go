package otel_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/examples/otel"
)

// As many connections are kept as calls were under way, as with the SDK's own client.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	const calls = 10
	tenant := customizerstest.NewServer(customizerstest.WithoutSocket(), customizerstest.WithSeed(1))
	t.Cleanup(tenant.Close)
	var atOnce atomic.Pointer[sync.WaitGroup] // holds the calls up until all are there
	var connections atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			wave := atOnce.Load()
			wave.Done()
			wave.Wait()
		}
		tenant.ServeHTTP(w, r)
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	opts, err := otel.Options(sdktrace.NewTracerProvider(), sdkmetric.NewMeterProvider())
	require.NoError(t, err)
	client, err := customizers.New(srv.URL, customizers.ClientCredentials(tenant.ClientID, tenant.ClientSecret), opts...)
	require.NoError(t, err)
	for range 3 {
		var wave sync.WaitGroup
		wave.Add(calls)
		atOnce.Store(&wave)
		var ended sync.WaitGroup
		for range calls {
			ended.Go(func() {
				_, err := client.List(ctx, customizers.ListOptions{})
				assert.NoError(t, err)
			})
		}
		ended.Wait()
	}
	assert.LessOrEqual(t, connections.Load(), int32(calls))
}

func TestSpansAndCounts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	spans := tracetest.NewInMemoryExporter()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	srv := customizerstest.NewServer(customizerstest.WithSeed(1))
	t.Cleanup(srv.Close)
	opts, err := otel.Options(tracers, meters)
	require.NoError(t, err)
	client := srv.Client(append(opts, customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond}))...)
	id := srv.Customizers()[0].ID
	_, err = client.Get(ctx, id) // which fetches the token
	require.NoError(t, err)
	spans.Reset()

	srv.Inject(
		customizerstest.Fault{Operation: customizerstest.Get, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}},
		customizerstest.Fault{Operation: customizerstest.Get, Status: http.StatusServiceUnavailable},
	)
	_, err = otel.Operation(ctx, tracers, "Get", func(ctx context.Context) (*customizers.Customizer, error) {
		return client.Get(ctx, id)
	})
	require.NoError(t, err)
	_, err = otel.Operation(ctx, tracers, "Get", func(ctx context.Context) (*customizers.Customizer, error) {
		return client.Get(ctx, "nowhere")
	})
	require.ErrorIs(t, err, customizers.ErrNotFound)

	got := spans.GetSpans()
	require.Len(t, got, 6) // two operations, three tries and one
	parent, failed := got[3], got[5]
	assert.Equal(t, "customizers.Get", parent.Name)
	assert.Equal(t, codes.Unset, parent.Status.Code)
	for i, status := range []int{429, 503, 200} {
		assert.Equal(t, "HTTP GET", got[i].Name)
		assert.Equal(t, parent.SpanContext.SpanID(), got[i].Parent.SpanID(), "try %d", i+1)
		assert.Contains(t, got[i].Attributes, attribute.Int("http.response.status_code", status))
	}
	require.NotEmpty(t, parent.Events)
	assert.Equal(t, "wait", parent.Events[0].Name)
	assert.Equal(t, codes.Error, failed.Status.Code)
	assert.Equal(t, failed.SpanContext.SpanID(), got[4].Parent.SpanID())

	var metrics metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(ctx, &metrics))
	tries := map[[3]any]int64{}
	waits := map[string]uint64{}
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					if m.Name == "customizers.tries" {
						operation, _ := p.Attributes.Value("operation")
						status, _ := p.Attributes.Value("http.response.status_code")
						retry, _ := p.Attributes.Value("retry")
						tries[[3]any{operation.AsString(), status.AsInt64(), retry.AsBool()}] = p.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					if m.Name == "customizers.waits" {
						reason, _ := p.Attributes.Value("reason")
						waits[reason.AsString()] = p.Count
					}
				}
			}
		}
	}
	assert.Equal(t, map[[3]any]int64{
		{"Token", int64(200), false}: 1,
		{"Get", int64(200), false}:   1,
		{"Get", int64(429), false}:   1,
		{"Get", int64(503), true}:    1,
		{"Get", int64(200), true}:    1,
		{"Get", int64(404), false}:   1,
	}, tries)
	assert.Equal(t, map[string]uint64{"retry_after": 1, "backoff": 1}, waits)
}
