package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

const (
	id          = "7f1f0f0e-6d25-4a39-9c69-000000000000"
	token       = "a-token-that-is-as-long-as-a-short-one-is"
	archiveSize = 256 << 20
)

// A customizer is what the work by hand decodes, all its fields.
type customizer struct {
	ID, Name, ImageID, TenantID string
	ImageVersion                int64
	Created                     time.Time
}

// plain does the work by hand with net/http and encoding/json.
type plain struct {
	base string
	http *http.Client
}

func (p *plain) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+version+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return p.send(req, out)
}

func (p *plain) send(req *http.Request, out any) error {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	if out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	return err
}

func (p *plain) all(ctx context.Context, want int) error {
	for n := 0; ; n += 250 {
		var page []customizer
		if err := p.do(ctx, http.MethodGet, fmt.Sprintf("?limit=250&offset=%d", n), nil, &page); err != nil {
			return err
		}
		if len(page) < 250 {
			return counted(n+len(page), want)
		}
	}
}

func counted(n, want int) error {
	if n != want {
		return fmt.Errorf("read %d records of %d", n, want)
	}
	return nil
}

func (p *plain) upload(ctx context.Context, id string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+version+"/"+id+"/versions", io.NewSectionReader(f, 0, info.Size()))
	if err != nil {
		return err
	}
	req.ContentLength = info.Size()
	req.Header.Set("Content-Type", "application/zip")
	return p.send(req, new(struct{ ImageID string }))
}

// pair gives both sides the same connections.
func pair(tb testing.TB, base string, opts ...customizers.Option) (*customizers.Client, *plain) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(tenants.Cert)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	tb.Cleanup(transport.CloseIdleConnections)
	h := &http.Client{Transport: transport}
	c, err := customizers.New(base, append([]customizers.Option{
		customizers.WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})),
		customizers.WithRateLimit(1000, 10*time.Millisecond), // it counts, and never waits
		customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond}),
		customizers.WithHTTPClient(h),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return c, &plain{base, h}
}

// compare measures work by hand and by the SDK, each after it was done once.
func compare(b *testing.B, byHand, bySDK func() error) {
	for _, side := range []struct {
		name string
		do   func() error
	}{{"plain", byHand}, {"sdk", bySDK}} {
		b.Run("by="+side.name, func(b *testing.B) {
			if err := side.do(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := side.do(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	c, p := pair(b, tenants.Fast)
	compare(b, func() error {
		return p.do(b.Context(), http.MethodGet, "/"+id, nil, new(customizer))
	}, func() error {
		_, err := c.Get(b.Context(), id)
		return err
	})
}

func BenchmarkList(b *testing.B) {
	c, p := pair(b, tenants.Fast)
	compare(b, func() error {
		return p.do(b.Context(), http.MethodGet, "?limit=250", nil, new([]customizer))
	}, func() error {
		_, err := c.List(b.Context(), customizers.ListOptions{})
		return err
	})
}

func all(ctx context.Context, c *customizers.Client, opts customizers.ListOptions, want int) error {
	n := 0
	for _, err := range c.All(ctx, opts) {
		if err != nil {
			return err
		}
		n++
	}
	return counted(n, want)
}

func BenchmarkAll(b *testing.B) {
	c, p := pair(b, tenants.Fast)
	compare(b, func() error {
		return p.all(b.Context(), records)
	}, func() error {
		return all(b.Context(), c, customizers.ListOptions{}, records)
	})
}

// file is an archive of size bytes, which are not on the disk.
func file(tb testing.TB, size int64) *os.File {
	f, err := os.Create(filepath.Join(tb.TempDir(), "archive.zip"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(size); err != nil {
		tb.Fatal(err)
	}
	return f
}

// Over TLS, as to any tenant but one on loopback.
func BenchmarkUpload(b *testing.B) {
	c, p := pair(b, tenants.TLS)
	f := file(b, archiveSize)
	compare(b, func() error {
		return p.upload(b.Context(), id, f)
	}, func() error {
		_, err := c.CreateVersion(b.Context(), id, f)
		return err
	})
}

// Each page comes after latency.
func BenchmarkPrefetch(b *testing.B) {
	c, p := pair(b, tenants.Slow)
	compare(b, func() error {
		return p.all(b.Context(), slowRecords)
	}, func() error {
		return all(b.Context(), c, customizers.ListOptions{Prefetch: 8}, slowRecords)
	})
}

// Calls of every kind but uploads, by 32 goroutines on 2 cores.
func BenchmarkMixed(b *testing.B) {
	c, p := pair(b, tenants.Fast)
	name := map[string]string{"name": "n"}
	mixed := func(b *testing.B, calls []func(context.Context) error) {
		b.ReportAllocs()
		b.SetParallelism(16)
		var next atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for i := next.Add(1); pb.Next(); i++ {
				if err := calls[i%int64(len(calls))](b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	}
	b.Run("by=plain", func(b *testing.B) {
		mixed(b, []func(context.Context) error{
			func(ctx context.Context) error {
				return p.do(ctx, http.MethodGet, "/"+id, nil, new(customizer))
			},
			func(ctx context.Context) error {
				return p.do(ctx, http.MethodPost, "", name, new(customizer))
			},
			func(ctx context.Context) error {
				return p.do(ctx, http.MethodPut, "/"+id, name, new(customizer))
			},
			func(ctx context.Context) error {
				return p.do(ctx, http.MethodGet, "?limit=10", nil, new([]customizer))
			},
			func(ctx context.Context) error {
				return p.do(ctx, http.MethodDelete, "/"+id, nil, nil)
			},
		})
	})
	b.Run("by=sdk", func(b *testing.B) {
		mixed(b, []func(context.Context) error{
			func(ctx context.Context) error {
				_, err := c.Get(ctx, id)
				return err
			},
			func(ctx context.Context) error {
				_, err := c.Create(ctx, customizers.CreateRequest{Name: "n"})
				return err
			},
			func(ctx context.Context) error {
				_, err := c.Update(ctx, id, customizers.UpdateRequest{Name: "n"})
				return err
			},
			func(ctx context.Context) error {
				_, err := c.List(ctx, customizers.ListOptions{Limit: 10})
				return err
			},
			func(ctx context.Context) error {
				return c.Delete(ctx, id)
			},
		})
	})
}
