package otel_test

import (
	"context"
	"net/http"
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

func TestSpansAndCounts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	spans := tracetest.NewInMemoryExporter()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(1))
	t.Cleanup(srv.Close)
	opts, err := otel.Options(tracers, meters)
	require.NoError(t, err)
	client := srv.Client(append(opts, customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond}))...)
	id := srv.Customizers()[0].ID
	_, err = client.Get(ctx, id) // also fetches the token
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
	require.Len(t, got, 6) // three attempts and their operation, then one attempt and its operation
	parent, failed := got[3], got[5]
	assert.Equal(t, "customizers.Get", parent.Name)
	assert.Equal(t, codes.Unset, parent.Status.Code)
	for i, status := range []int{429, 503, 200} {
		assert.Equal(t, "HTTP GET", got[i].Name)
		assert.Equal(t, parent.SpanContext.SpanID(), got[i].Parent.SpanID(), "attempt %d", i+1)
		assert.Contains(t, got[i].Attributes, attribute.Int("http.response.status_code", status))
	}
	require.NotEmpty(t, parent.Events)
	assert.Equal(t, "wait", parent.Events[0].Name)
	assert.Equal(t, codes.Error, failed.Status.Code)
	assert.Equal(t, failed.SpanContext.SpanID(), got[4].Parent.SpanID())

	var metrics metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(ctx, &metrics))
	attempts := map[[3]any]int64{}
	waits := map[string]uint64{}
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					if m.Name == "customizers.attempts" {
						operation, _ := p.Attributes.Value("operation")
						status, _ := p.Attributes.Value("http.response.status_code")
						retry, _ := p.Attributes.Value("retry")
						attempts[[3]any{operation.AsString(), status.AsInt64(), retry.AsBool()}] = p.Value
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
	}, attempts)
	assert.Equal(t, map[string]uint64{"retry_after": 1, "backoff": 1}, waits)
}
