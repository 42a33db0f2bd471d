// Package otel shows how the SDK is traced and measured by OpenTelemetry: a span for each
// operation, below it one for each try, and counters of tries, waits and refusals. Copy
// it, and name things as your own programs do.
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

// Options makes the options of a client that is traced and measured. The SDK retries
// around the HTTP client, so that the transport, otelhttp's, makes a span for each try.
func Options(tracers trace.TracerProvider, meters metric.MeterProvider) ([]customizers.Option, error) {
	observer, err := observe(meters.Meter(scope))
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

// Operation makes a span around an operation; its tries are below it.
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

// observe counts tries by operation and status, and waits by operation and reason, with
// their lengths. Retries are the tries with retry true, 429s those with that status.
func observe(meter metric.Meter) (customizers.Observer, error) {
	tries, err := meter.Int64Counter("customizers.tries",
		metric.WithDescription("Requests sent, each try on its own."), metric.WithUnit("{try}"))
	if err != nil {
		return customizers.Observer{}, err
	}
	waits, err := meter.Float64Histogram("customizers.waits",
		metric.WithDescription("Waits before a request was sent, or sent again."), metric.WithUnit("s"))
	if err != nil {
		return customizers.Observer{}, err
	}
	return customizers.Observer{
		Attempt: func(ctx context.Context, t customizers.Attempt) {
			tries.Add(ctx, 1, metric.WithAttributes(
				attribute.String("operation", t.Operation),
				attribute.Int("http.response.status_code", t.StatusCode),
				attribute.Bool("retry", t.Attempt > 1),
			))
		},
		Wait: func(ctx context.Context, w customizers.Wait) {
			attrs := []attribute.KeyValue{attribute.String("operation", w.Operation), attribute.String("reason", string(w.Reason))}
			waits.Record(ctx, w.Duration.Seconds(), metric.WithAttributes(attrs...))
			trace.SpanFromContext(ctx).AddEvent("wait", trace.WithAttributes(append(attrs,
				attribute.String("duration", w.Duration.Round(time.Millisecond).String()))...))
		},
	}, nil
}
