// Package bench compares the SDK with hand-written code that does the same work with net/http
// and encoding/json. Run it with make bench.
package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

const (
	records    = 100_000
	archive    = 256 << 20 // bytes
	goroutines = 32
)

// A pair has the same work twice: by hand and with the SDK. Both use a transport with the same
// settings and one server. Their methods panic if they fail.
type pair struct {
	plain plain
	sdk   *customizers.Client
}

func newPair(b *testing.B, secure bool) pair {
	b.Helper()
	srv := httptest.NewUnstartedServer(newTenant(records))
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	b.Cleanup(srv.Close)
	client := func() *http.Client {
		transport := customizers.DefaultTransport().(*http.Transport).Clone()
		if secure {
			transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
			transport.TLSClientConfig.RootCAs.AddCert(srv.Certificate())
		}
		b.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	sdk, err := customizers.New(srv.URL,
		customizers.TokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})),
		customizers.WithoutRateLimit(),
		customizers.WithHTTPClient(client()))
	require.NoError(b, err)
	return pair{plain{srv.URL + collection, client()}, sdk}
}

// compare does the work of both sides in turns, so that a change in the machine's speed affects
// both. It reports medians: the milliseconds of each side, and the ratio in a turn.
func compare(b *testing.B, plain, sdk func()) {
	b.Helper()
	sides := [2]func(){plain, sdk}
	for _, work := range sides {
		work() // opens connections and fills caches
	}
	var took [2][]float64
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		for turn := range sides {
			side := (i + turn) % 2
			start := time.Now()
			sides[side]()
			took[side] = append(took[side], 1e3*time.Since(start).Seconds())
		}
		ratios = append(ratios, took[1][i]/took[0][i])
	}
	b.ReportMetric(0, "ns/op") // of both
	b.ReportMetric(median(took[0]), "plain-ms")
	b.ReportMetric(median(took[1]), "SDK-ms")
	b.ReportMetric(median(ratios), "SDK/plain")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func BenchmarkGet(b *testing.B)     { get(b, false) }
func BenchmarkGetTLS(b *testing.B)  { get(b, true) }
func BenchmarkPage(b *testing.B)    { page(b, false) }
func BenchmarkPageTLS(b *testing.B) { page(b, true) }

func get(b *testing.B, secure bool) {
	b.Helper()
	p := newPair(b, secure)
	compare(b, p.plain.get, func() { must(p.sdk.Get(ctx, id)) })
}

func page(b *testing.B, secure bool) {
	b.Helper()
	p := newPair(b, secure)
	compare(b, func() { p.plain.list(250) }, func() { must(p.sdk.List(ctx, customizers.ListOptions{Limit: 250})) })
}

// BenchmarkAll reads a list of 100,000.
func BenchmarkAll(b *testing.B) {
	p := newPair(b, false)
	compare(b,
		func() { require.Equal(b, records, p.plain.all()) },
		func() {
			n := 0
			for _, err := range p.sdk.All(ctx, customizers.ListOptions{}) {
				require.NoError(b, err)
				n++
			}
			require.Equal(b, records, n)
		})
}

// BenchmarkUpload uploads an archive of 256 MiB.
func BenchmarkUpload(b *testing.B) {
	p := newPair(b, false)
	file := must(os.Create(filepath.Join(b.TempDir(), "archive.zip")))
	defer func() { _ = file.Close() }()
	require.NoError(b, file.Truncate(archive))
	compare(b, func() { p.plain.upload(file) }, func() { must(p.sdk.CreateVersion(ctx, id, file)) })
}

// BenchmarkMixed makes 40 calls of four kinds in each of 32 goroutines.
func BenchmarkMixed(b *testing.B) {
	p := newPair(b, false)
	parallel := func(calls ...func()) func() {
		return func() {
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for range 10 {
						for _, call := range calls {
							call()
						}
					}
				})
			}
			wg.Wait()
		}
	}
	compare(b,
		parallel(p.plain.get, func() { p.plain.list(10) }, p.plain.create, p.plain.update),
		parallel(
			func() { must(p.sdk.Get(ctx, id)) },
			func() { must(p.sdk.List(ctx, customizers.ListOptions{Limit: 10})) },
			func() { must(p.sdk.Create(ctx, customizers.CreateRequest{Name: "n"})) },
			func() { must(p.sdk.Update(ctx, id, customizers.UpdateRequest{Name: "n"})) }))
}

var ctx = context.Background()

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}
