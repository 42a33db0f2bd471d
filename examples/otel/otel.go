// Package otel shows how to trace and measure a client with OpenTelemetry. It provides a span for
// each operation, a child span for each attempt, a counter of attempts and a histogram of waits.
// Copy it and adapt the names.
package otel

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/connector-customizers/customizers"
)

const scope = "github.com/connector-customizers/customizers/examples/otel"

// Options returns options that trace and measure a client. The client retries above its HTTP
// client, so otelhttp's transport starts a span for each attempt.
func Options(tracers trace.TracerProvider, meters metric.MeterProvider) ([]customizers.Option, error) {
	observer, err := newObserver(meters.Meter(scope))
	if err != nil {
		return nil, err
	}
	return []customizers.Option{
		customizers.WithHTTPClient(&http.Client{
			Transport: otelhttp.NewTransport(customizers.DefaultTransport(), otelhttp.WithTracerProvider(tracers), otelhttp.WithMeterProvider(meters)),
		}),
		customizers.WithObserver(observer),
	}, nil
}

// Operation runs do in a span, which is the parent of the spans of its attempts.
//
//	c, err := otel.Operation(ctx, tracers, "Get", func(ctx context.Context) (*customizers.Customizer, error) {
//		return client.Get(ctx, id)
//	})
func Operation[T any](ctx context.Context, tracers trace.TracerProvider, name string, do func(context.Context) (T, error)) (T, error) {
	ctx, span := tracers.Tracer(scope).Start(ctx, "customizers."+name)
	defer span.End()
	result, err := do(ctx)
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	return result, err
}

// newObserver returns an observer that counts attempts by operation, status and whether they
// are retries. It records the length of waits by operation and reason.
func newObserver(meter metric.Meter) (customizers.Observer, error) {
	attempts, err := meter.Int64Counter("customizers.attempts",
		metric.WithDescription("Requests sent, including retries."), metric.WithUnit("{attempt}"))
	if err != nil {
		return customizers.Observer{}, err
	}
	waits, err := meter.Float64Histogram("customizers.waits",
		metric.WithDescription("Waits before an attempt."), metric.WithUnit("s"))
	if err != nil {
		return customizers.Observer{}, err
	}
	return customizers.Observer{
		OnAttempt: func(ctx context.Context, a customizers.Attempt) {
			attempts.Add(ctx, 1, metric.WithAttributes(
				attribute.String("operation", a.Operation),
				attribute.Int("http.response.status_code", a.StatusCode),
				attribute.Bool("retry", a.Number > 1),
			))
		},
		OnWait: func(ctx context.Context, w customizers.Wait) {
			attrs := []attribute.KeyValue{attribute.String("operation", w.Operation), attribute.String("reason", string(w.Reason))}
			waits.Record(ctx, w.Duration.Seconds(), metric.WithAttributes(attrs...))
			trace.SpanFromContext(ctx).AddEvent("wait", trace.WithAttributes(append(attrs,
				attribute.String("duration", w.Duration.Round(time.Millisecond).String()))...))
		},
	}, nil
}
