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

// between returns a random number from a to b, inclusive.
func between(rng *rand.Rand, a, b int) int { return a + rng.IntN(b-a+1) }

// millis returns a random duration from a to b milliseconds, inclusive.
func millis(rng *rand.Rand, a, b int) time.Duration {
	return time.Duration(between(rng, a, b)) * time.Millisecond
}

// sleep waits until d has passed or ctx ends. It reports whether d has passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// toxicAttributes has, for each type of toxic, a function that returns random attributes.
var toxicAttributes = map[string]func(*rand.Rand) map[string]int{
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
	"timeout": func(rng *rand.Rand) map[string]int { // no data passes; with 0 until the toxic is removed
		return map[string]int{"timeout": between(rng, 0, 1) * between(rng, 50, 600)}
	},
}

var toxicTypes = []string{"latency", "bandwidth", "slicer", "reset_peer", "limit_data", "timeout"}

// tenantFaults has a function for each fault that the tenant injects. A 429 is never Apply: it
// says that the service did not act.
var tenantFaults = map[string]func(*rand.Rand) customizerstest.Fault{
	"500": statusFault(500, false), "500 acted": statusFault(500, true),
	"502": statusFault(502, false), "502 acted": statusFault(502, true),
	"503": statusFault(503, false), "503 acted": statusFault(503, true),
	"504": statusFault(504, false), "504 acted": statusFault(504, true),
	"429": func(rng *rand.Rand) customizerstest.Fault {
		return rateLimited(fmt.Sprintf("0.%03d", between(rng, 1, 99)))
	},
	"long 429": func(*rand.Rand) customizerstest.Fault {
		return rateLimited("0.7") // more than the clients' MaxWait
	},
	"cut":       func(*rand.Rand) customizerstest.Fault { return customizerstest.Fault{Reset: true} },
	"cut acted": func(*rand.Rand) customizerstest.Fault { return customizerstest.Fault{Reset: true, Apply: true} },
	"truncate": func(rng *rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{TruncateAt: between(rng, 1, 150)}
	},
	"expire token": func(*rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{ExpireToken: true}
	},
	"delay": func(rng *rand.Rand) customizerstest.Fault { // may exceed the clients' Timeout
		return customizerstest.Fault{Delay: millis(rng, 1, 1800)}
	},
	"token 503": func(*rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{Operation: customizerstest.Token, Status: 503}
	},
	"token cut": func(*rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{Operation: customizerstest.Token, Reset: true}
	},
	"token delay": func(rng *rand.Rand) customizerstest.Fault {
		return customizerstest.Fault{Operation: customizerstest.Token, Delay: millis(rng, 1, 500)}
	},
}

var tenantFaultNames = []string{
	"500", "500 acted", "502", "502 acted", "503", "503 acted", "504", "504 acted", "429", "long 429",
	"cut", "cut acted", "truncate", "expire token", "delay", "token 503", "token cut", "token delay",
}

var operations = []customizerstest.Operation{
	customizerstest.List, customizerstest.Create, customizerstest.Get,
	customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion,
}

func statusFault(code int, acted bool) func(*rand.Rand) customizerstest.Fault {
	return func(rng *rand.Rand) customizerstest.Fault {
		f := customizerstest.Fault{Status: code, Apply: acted}
		switch rng.IntN(3) {
		case 0:
			f.Body = `{"detailCode":"500.0","trackingId":"soak","messages":[{"text":"It failed."}]}`
		case 1:
			f.Body, f.Header = "<html><title>Bad Gateway</title></html>", http.Header{"Content-Type": {"text/html"}}
		}
		return f
	}
}

func rateLimited(retryAfter string) customizerstest.Fault {
	return customizerstest.Fault{
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {retryAfter}},
		Body:   `{"message":" Rate Limit Exceeded "}`,
	}
}

// injectFaults changes the network and injects faults into the tenant until ctx ends.
func (r *round) injectFaults(ctx context.Context, rng *rand.Rand) {
	active := map[string]string{} // name of the toxic, by stream; at most one each
	number := 0
	must := func(err error) {
		if err != nil {
			r.errorf("the network: %v", err)
		}
	}
	for sleep(ctx, millis(rng, 5, 60)) {
		n := rng.IntN(100)
		if r.swallowing.Load() && n >= 45 && n < 58 {
			n = 99 // a blackhole lasts
		}
		switch {
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
				Attributes: toxicAttributes[kind](rng),
			}
			must(r.network.add(t))
			active[stream] = t.Name
			r.report.add("toxic " + kind)
		case n < 49:
			// This resets the clients' connections. One outage in six is long.
			d := millis(rng, 20, 300)
			if rng.IntN(6) == 0 {
				d = millis(rng, 500, 2500)
			}
			must(r.network.down())
			sleep(ctx, d)
			must(r.network.up())
			r.report.add("down")
		case n < 58:
			must(r.network.reset())
			clear(active)
			sleep(ctx, millis(rng, 50, 300))
		default:
			for range between(rng, 1, 6) {
				name := tenantFaultNames[rng.IntN(len(tenantFaultNames))]
				f := tenantFaults[name](rng)
				if f.Operation == "" {
					f.Operation = operations[rng.IntN(len(operations))]
				}
				f.Skip = rng.IntN(4)
				r.srv.Inject(f)
				if strings.HasPrefix(name, "token ") { // so that clients request one
					r.srv.ExpireTokens()
				}
				r.report.add("tenant " + name)
			}
		}
	}
	must(r.network.reset())
}

// swallow drops all data of the connections that are open after a third of the round, for 40 s or
// until ctx ends. It measures how long clients take to work again.
func (r *round) swallow(ctx context.Context, after time.Duration) {
	if !sleep(ctx, after) {
		return
	}
	r.swallowing.Store(true)
	end, err := r.network.swallow()
	if err != nil {
		r.errorf("the network: %v", err)
		return
	}
	r.swallowed.Store(time.Now().UnixNano())
	r.report.add("blackhole")
	sleep(ctx, 40*time.Second)
	if err := end(); err != nil {
		r.errorf("the network: %v", err)
	}
	r.swallowing.Store(false)
}
