package customizers_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// The benchmarks come in pairs, the SDK and the same work by hand with net/http and
// encoding/json, against one server: compare within a run, by make bench.

type plainRecord struct {
	ID, Name, ImageID, TenantID string
	ImageVersion                int64
	Created                     time.Time
}

func benchmarkPair(b *testing.B, path string, into func() any, sdk func(*customizers.Client, string) error) {
	srv := sandbox(b, customizerstest.WithSeed(250))
	token := tokenOf(b, srv)
	id := srv.Customizers()[0].ID
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	b.Cleanup(transport.CloseIdleConnections)
	b.Run("sdk", func(b *testing.B) {
		c := newClient(b, srv.URL, customizers.WithTokenSource(static(token)), customizers.WithRateLimit(0, 0),
			customizers.WithHTTPClient(&http.Client{Transport: transport}))
		b.ReportAllocs()
		for b.Loop() {
			if err := sdk(c, id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		h := &http.Client{Transport: transport}
		b.ReportAllocs()
		for b.Loop() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, srv.URL+"/v2024/connector-customizers"+path+id, nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := h.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			if err := json.NewDecoder(resp.Body).Decode(into()); err != nil {
				b.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	benchmarkPair(b, "/", func() any { return new(plainRecord) }, func(c *customizers.Client, id string) error {
		_, err := c.Get(b.Context(), id)
		return err
	})
}

func BenchmarkListPage(b *testing.B) {
	benchmarkPair(b, "?limit=250&ignored=", func() any { return new([]plainRecord) }, func(c *customizers.Client, _ string) error {
		_, err := c.List(b.Context(), customizers.ListOptions{})
		return err
	})
}
