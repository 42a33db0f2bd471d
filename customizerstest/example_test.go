package customizerstest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// The third page of a list fails, and the client retries it.
func Example() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(450))
	defer srv.Close()
	srv.Inject(customizerstest.Fault{
		Operation: customizerstest.List,
		Skip:      2,
		Status:    http.StatusServiceUnavailable,
	})

	client := srv.Client(customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond}))
	n := 0
	for _, err := range client.All(context.Background(), customizers.ListOptions{Limit: 100}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		n++
	}
	fmt.Println(n, "customizers")
	for _, r := range srv.Requests(customizerstest.List) {
		fmt.Println(r.Method, r.Path, r.Status)
	}
	// Output:
	// 450 customizers
	// GET /v2024/connector-customizers 200
	// GET /v2024/connector-customizers 200
	// GET /v2024/connector-customizers 503
	// GET /v2024/connector-customizers 200
	// GET /v2024/connector-customizers 200
	// GET /v2024/connector-customizers 200
}

// In a bubble of testing/synctest, the clock jumps ahead as soon as every goroutine waits, so a
// Retry-After of 50 seconds takes no time.
func ExampleWithoutSocket() {
	var t *testing.T // the test's
	synctest.Test(t, func(t *testing.T) {
		srv := customizerstest.NewServer(customizerstest.WithoutSocket(), customizerstest.WithCustomizerCount(1))
		defer srv.Close()
		srv.Inject(customizerstest.Fault{
			Status: http.StatusTooManyRequests,
			Header: http.Header{"Retry-After": {"50"}},
		})

		start := time.Now()
		if _, err := srv.Client().List(t.Context(), customizers.ListOptions{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 50*time.Second {
			t.Errorf("List took %v, less than the Retry-After", took)
		}
	})
}
