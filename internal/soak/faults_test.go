package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/connector-customizers/customizers/customizerstest"
)

// between is a number from a to b, both included.
func between(rng *rand.Rand, a, b int) int { return a + rng.IntN(b-a+1) }

func millis(rng *rand.Rand, a, b int) time.Duration {
	return time.Duration(between(rng, a, b)) * time.Millisecond
}

// pause waits for d, or less if ctx ends, and reports whether it waited.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// toxics make the attributes of each type of toxic.
var toxics = map[string]func(*rand.Rand) map[string]int{
	"latency": func(rng *rand.Rand) map[string]int {
		latency := between(rng, 5, 150)
		return map[string]int{"latency": latency, "jitter": between(rng, 0, latency)}
	},
	"bandwidth": func(rng *rand.Rand) map[string]int {
		return map[string]int{"rate": between(rng, 5, 300)} // KB/s
	},
	"slicer": func(rng *rand.Rand) map[string]int {
		size := between(rng, 8, 400)
		return map[string]int{"average_size": size, "size_variation": size / 2, "delay": between(rng, 0, 500)} // µs
	},
	"reset_peer": func(rng *rand.Rand) map[string]int {
		return map[string]int{"timeout": between(rng, 0, 60)}
	},
	"limit_data": func(rng *rand.Rand) map[string]int {
		return map[string]int{"bytes": between(rng, 0, 4000)}
	},
	"timeout": func(rng *rand.Rand) map[string]int { // half-open; 0 is until it is taken away
		return map[string]int{"timeout": between(rng, 0, 1) * between(rng, 50, 600)}
	},
}

var toxicTypes = []string{"latency", "bandwidth", "slicer", "reset_peer", "limit_data", "timeout"}

// tenantFaults make the faults that the tenant injects. A 429 is never one after acting:
// that is the one status by which the service says that it did nothing.
var tenantFaults = map[string]func(*rand.Rand) customizerstest.Fault{
	"500": status(500, false), "500 acted": status(500, true),
	"502": status(502, false), "502 acted": status(502, true),
	"503": status(503, false), "503 acted": status(503, true),
	"504": status(504, false), "504 acted": status(504, true),
	"429": func(rng *rand.Rand) customizerstest.Fault {
		return limited(fmt.Sprintf("0.%03d", between(rng, 1, 99)))
	},
	"429 for long": func(*rand.Rand) customizerstest.Fault {
		return limited("0.7") // more than the clients' MaxWait
	},
	"cut":       func(*rand.Rand) customizerstest.Fault { return customizerstest.Fault{Cut: true} },
	"cut acted": func(*rand.Rand) customizerstest.Fault { return customizerstest.Fault{Cut: true, Acted: true} },
	"truncate": func(rng *rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{TruncateAt: between(rng, 1, 150)}
	},
	"expire token": func(*rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{ExpireToken: true}
	},
	"delay": func(rng *rand.Rand) customizerstest.Fault { // also beyond the clients' Timeout
		return customizerstest.Fault{Delay: millis(rng, 1, 1800)}
	},
	"token 503": func(*rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{Operation: customizerstest.Token, Status: 503}
	},
	"token cut": func(*rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{Operation: customizerstest.Token, Cut: true}
	},
	"token delay": func(rng *rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{Operation: customizerstest.Token, Delay: millis(rng, 1, 500)}
	},
}

var tenantFaultNames = []string{
	"500", "500 acted", "502", "502 acted", "503", "503 acted", "504", "504 acted", "429", "429 for long",
	"cut", "cut acted", "truncate", "expire token", "delay", "token 503", "token cut", "token delay",
}

var operations = []customizerstest.Operation{
	customizerstest.List, customizerstest.Create, customizerstest.Get,
	customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion,
}

func status(code int, acted bool) func(*rand.Rand) customizerstest.Fault {
	return func(rng *rand.Rand) customizerstest.Fault {
		f := customizerstest.Fault{Status: code, Acted: acted}
		switch rng.IntN(3) {
		case 0:
			f.Body = `{"detailCode":"500.0","trackingId":"soak","messages":[{"text":"It failed."}]}`
		case 1:
			f.Body, f.Header = "<html><title>Bad Gateway</title></html>", http.Header{"Content-Type": {"text/html"}}
		}
		return f
	}
}

func limited(retryAfter string) customizerstest.Fault {
	return customizerstest.Fault{
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {retryAfter}},
		Body:   `{"message":" Rate Limit Exceeded "}`,
	}
}

// faults does one thing after another to the network and the tenant until ctx ends.
func (r *round) faults(ctx context.Context, rng *rand.Rand) {
	active := map[string]string{} // the name of the toxic of each stream, one at most
	number := 0
	must := func(err error) {
		if err != nil {
			r.bad("the network: %v", err)
		}
	}
	for pause(ctx, millis(rng, 5, 60)) {
		switch n := rng.IntN(100); {
		case n < 45:
			stream := []string{"upstream", "downstream"}[rng.IntN(2)]
			if name := active[stream]; name != "" {
				must(r.network.remove(name))
				delete(active, stream)
				continue
			}
			number++
			kind := toxicTypes[rng.IntN(len(toxicTypes))]
			t := toxic{
				Name:       fmt.Sprintf("%s-%d", kind, number),
				Type:       kind,
				Stream:     stream,
				Toxicity:   []float64{0.3, 0.6, 1}[rng.IntN(3)],
				Attributes: toxics[kind](rng),
			}
			must(r.network.add(t))
			active[stream] = t.Name
			r.report.fault("toxic " + kind)
		case n < 49:
			// Connections of clients are cut with it; now and then it lasts.
			d := millis(rng, 20, 300)
			if rng.IntN(6) == 0 {
				d = millis(rng, 500, 2500)
			}
			must(r.network.down())
			pause(ctx, d)
			must(r.network.up())
			r.report.fault("down")
		case n < 58:
			must(r.network.reset())
			clear(active)
			pause(ctx, millis(rng, 50, 300))
		default:
			for range between(rng, 1, 6) {
				name := tenantFaultNames[rng.IntN(len(tenantFaultNames))]
				f := tenantFaults[name](rng)
				if f.Operation == "" {
					f.Operation = operations[rng.IntN(len(operations))]
				}
				f.Skip = rng.IntN(4)
				r.srv.Inject(f)
				if strings.HasPrefix(name, "token ") { // so that one is asked for
					r.srv.ExpireTokens()
				}
				r.report.fault("tenant " + name)
			}
		}
	}
	must(r.network.reset())
}
