package customizers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func ExampleNew() {
	client, err := customizers.New("acme", // or "https://acme.api.identitynow.com"
		customizers.ClientCredentials("client-id", "client-secret"),
		customizers.WithAPIVersion(customizers.APIVersion2025),
		customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 6, MaxWait: 5 * time.Minute}),
		customizers.WithRateLimit(50, 10*time.Second), // half of the limit is for other programs
		customizers.WithUserAgent("acme-sync/1.4"),
	)
	if err != nil {
		log.Fatal(err)
	}
	_ = client
}

func ExampleNew_invalid() {
	_, err := customizers.New("http://acme.api.identitynow.com", customizers.ClientCredentials("id", "secret"))
	fmt.Println(errors.Is(err, customizers.ErrInvalidArgument))
	// Output: true
}

func ExampleTokenSource() {
	// Any oauth2.TokenSource works, for example that of a secret store.
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "an access token"})
	client, err := customizers.New("acme", customizers.TokenSource(source))
	if err != nil {
		log.Fatal(err)
	}
	_ = client
}

func ExampleClient_All() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(1000))
	defer srv.Close()
	client := srv.Client()

	n := 0
	for c, err := range client.All(context.Background(), customizers.ListOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		if c.ImageVersion == 0 {
			n++
		}
	}
	fmt.Println(n, "have no version")
	// Output: 1000 have no version
}

func ExampleClient_Pages() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(600))
	defer srv.Close()

	for page, err := range srv.Client().Pages(context.Background(), customizers.ListOptions{Count: true}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d of %d from %d\n", len(page.Items), page.Total, page.Offset)
	}
	// Output:
	// 250 of 600 from 0
	// 249 of 600 from 250
	// 101 of 600 from 499
}

func ExampleClient_CreateVersion() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(customizers.Customizer{ID: "c1", Name: "hr-feed"}))
	defer srv.Close()

	archive := bytes.NewReader(emptyZip) // or an *os.File, which is streamed
	v, err := srv.Client().CreateVersion(context.Background(), "c1", archive)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", v.Version)
	// Output: version 1
}

// emptyZip is the smallest zip archive.
var emptyZip = append([]byte("PK\x05\x06"), make([]byte, 18)...)

// If the outcome of a create is unknown, look for the customizer before creating it again.
func ExampleClient_Create() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Apply: true, Reset: true})
	client, ctx := srv.Client(), context.Background()

	_, err := client.Create(ctx, customizers.CreateRequest{Name: "hr-feed"})
	if errors.Is(err, customizers.ErrOutcomeUnknown) {
		for c, err := range client.All(ctx, customizers.ListOptions{}) {
			if err != nil {
				log.Fatal(err)
			}
			if c.Name == "hr-feed" {
				fmt.Println("it was created")
			}
		}
	}
	// Output: it was created
}

func ExampleError() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	srv.Inject(customizerstest.Fault{
		Operation: customizerstest.Get,
		Status:    http.StatusTooManyRequests,
		Header:    http.Header{"Retry-After": {"300"}},
		Body:      `{"message":" Rate Limit Exceeded "}`,
	})

	_, err := srv.Client().Get(context.Background(), "c1")
	var e *customizers.Error
	if errors.As(err, &e) && errors.Is(err, customizers.ErrRateLimited) {
		fmt.Println("status", e.StatusCode)
		fmt.Println("try again in", e.RetryAfter)
	}
	// Output:
	// status 429
	// try again in 5m0s
}

// Tests of your own code can make any error.
func ExampleError_test() {
	missing := func(context.Context, string) error { return &customizers.Error{StatusCode: http.StatusNotFound} }
	lost := func(context.Context, string) error { return &customizers.Error{Err: customizers.ErrOutcomeUnknown} }

	fmt.Println(errors.Is(missing(context.Background(), "c1"), customizers.ErrNotFound))
	fmt.Println(errors.Is(lost(context.Background(), "c1"), customizers.ErrOutcomeUnknown))
	// Output:
	// true
	// true
}

// Reads the settings of SailPoint's own tools, here from the environment.
func ExampleNewFromEnv() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(customizers.Customizer{Name: "hr-feed"}))
	defer srv.Close()
	for name, value := range map[string]string{
		"SAIL_BASE_URL": srv.URL, "SAIL_CLIENT_ID": srv.ClientID, "SAIL_CLIENT_SECRET": srv.ClientSecret, // in the shell
	} {
		defer os.Setenv(name, os.Getenv(name)) //nolint:errcheck // an example
		_ = os.Setenv(name, value)
	}

	client, err := customizers.NewFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.GetByName(context.Background(), "hr-feed")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Name)
	// Output: hr-feed
}

// Calls an endpoint that the client has no method for.
func ExampleClient_Do() {
	srv := customizerstest.NewServer(customizerstest.WithInstanceCount(1))
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()

	for _, path := range []string{"/beta/connector-instances", "/beta/no-such-endpoint"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		if err != nil {
			log.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			log.Fatal(err) // there is no response
		}
		if err := customizers.CheckResponse(resp); err != nil { // the status is not 2xx
			fmt.Println("not found:", errors.Is(err, customizers.ErrNotFound))
			continue
		}
		var instances []struct{ Name string }
		if err := json.NewDecoder(resp.Body).Decode(&instances); err != nil {
			log.Fatal(err)
		}
		fmt.Println(instances)
	}
	// Output:
	// [{instance-000001}]
	// not found: true
}

// Names need not be unique.
func ExampleClient_GetByName() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(
		customizers.Customizer{ID: "c1", Name: "hr-feed"}, customizers.Customizer{ID: "c2", Name: "hr-feed"}))
	defer srv.Close()

	for _, name := range []string{"hr-feed", "crm-feed"} {
		_, err := srv.Client().GetByName(context.Background(), name)
		var several *customizers.AmbiguousError
		switch {
		case errors.As(err, &several):
			fmt.Println(len(several.Customizers), "customizers have the name", several.Name)
		case errors.Is(err, customizers.ErrNotFound):
			fmt.Println("no customizer has the name", name)
		}
	}
	// Output:
	// 2 customizers have the name hr-feed
	// no customizer has the name crm-feed
}

// Counts retries, and shows waits.
func ExampleWithObserver() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Status: http.StatusServiceUnavailable})
	var retries atomic.Int64 // goroutines that share the client call the observer at once
	client := srv.Client(customizers.WithObserver(customizers.Observer{
		OnAttempt: func(_ context.Context, a customizers.Attempt) {
			if a.Number > 1 {
				retries.Add(1)
			}
		},
		OnWait: func(_ context.Context, w customizers.Wait) {
			fmt.Println(w.Operation, "waits, because of the", w.Reason)
		},
	}))

	if _, err := client.List(context.Background(), customizers.ListOptions{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("retries:", retries.Load())
	// Output:
	// List waits, because of the backoff
	// retries: 1
}

// Logs warnings about retries and deprecated endpoints; at the debug level also each attempt.
func ExampleWithLogger() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	srv.Inject(customizerstest.Fault{
		Operation: customizerstest.List, Status: http.StatusOK, Body: "[]",
		Header: http.Header{"Sunset": {"Fri, 01 Jan 2027 00:00:00 GMT"}},
	})
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // for a stable output
			}
			return a
		},
	}))

	client := srv.Client(customizers.WithLogger(logger))
	if _, err := client.List(context.Background(), customizers.ListOptions{}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// level=WARN msg="customizers: endpoint is deprecated; see WithAPIVersion" operation=List method=GET path=/v2024/connector-customizers sunset="Fri, 01 Jan 2027 00:00:00 GMT"
}

// A ticker is a rate limiter that allows a request per tick. A *rate.Limiter of
// golang.org/x/time/rate is a RateLimiter too.
type ticker struct{ c <-chan time.Time }

func (t ticker) Wait(ctx context.Context) error {
	select {
	case <-t.c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Replaces the client's rate limit, for example by one that several clients share.
func ExampleWithRateLimiter() {
	first, second := customizerstest.NewServer(), customizerstest.NewServer()
	defer first.Close()
	defer second.Close()
	shared := ticker{time.Tick(time.Millisecond)}

	for _, srv := range []*customizerstest.Server{first, second} {
		client := srv.Client(customizers.WithRateLimiter(shared))
		page, err := client.List(context.Background(), customizers.ListOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(page.Items), "customizers")
	}
	// Output:
	// 0 customizers
	// 0 customizers
}

// A counter is a transport that counts requests.
type counter struct {
	next http.RoundTripper
	sent int
}

func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.sent++ // if several goroutines call the client, use an atomic.Int64
	return c.next.RoundTrip(req)
}

func ExampleDefaultTransport() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	wire := &counter{next: customizers.DefaultTransport()}
	client := srv.Client(customizers.WithHTTPClient(&http.Client{Transport: wire}))

	for _, err := range client.All(context.Background(), customizers.ListOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(wire.sent, "requests, including the token's")
	// Output: 2 requests, including the token's
}

// Makes the tenant match a list of names, as Terraform would. It changes nothing if the
// tenant matches already, and can be run again after any failure. If several customizers
// have a wanted name, it keeps them all and returns an AmbiguousError with their IDs.
func Example_reconcile() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(
		customizers.Customizer{ID: "c1", Name: "hr-feed"},
		customizers.Customizer{ID: "c2", Name: "hr-feed"},
		customizers.Customizer{ID: "c3", Name: "left-over"},
		customizers.Customizer{ID: "c4", Name: "left-over"},
	))
	defer srv.Close()

	reconcile := func(ctx context.Context, client *customizers.Client, wanted ...string) error {
		found := map[string][]customizers.Customizer{}
		var unwanted []customizers.Customizer
		for c, err := range client.All(ctx, customizers.ListOptions{}) {
			switch {
			case err != nil:
				return err
			case slices.Contains(wanted, c.Name):
				found[c.Name] = append(found[c.Name], c)
			default:
				unwanted = append(unwanted, c)
			}
		}
		var ambiguous error
		for _, name := range wanted {
			if there := found[name]; len(there) > 1 {
				ambiguous = errors.Join(ambiguous, &customizers.AmbiguousError{Name: name, Customizers: there})
			}
			if len(found[name]) > 0 {
				continue
			}
			c, err := client.Create(ctx, customizers.CreateRequest{Name: name})
			if errors.Is(err, customizers.ErrOutcomeUnknown) {
				return fmt.Errorf("%s may have been created, the next run will see: %w", name, err)
			}
			if err != nil {
				return err
			}
			found[name] = append(found[name], *c) // in case wanted has the name twice
			fmt.Println("created", name)
		}
		for _, c := range unwanted {
			err := client.Delete(ctx, c.ID)
			if err != nil && !errors.Is(err, customizers.ErrNotFound) { // deleted by another program
				return err
			}
			fmt.Println("deleted", c.ID, c.Name)
		}
		return ambiguous
	}

	ctx := context.Background()
	for range 2 {
		err := reconcile(ctx, srv.Client(), "hr-feed", "badge-sync")
		fmt.Println("done:", err)
	}
	// Output:
	// created badge-sync
	// deleted c3 left-over
	// deleted c4 left-over
	// done: customizers: ambiguous name "hr-feed": c1, c2
	// done: customizers: ambiguous name "hr-feed": c1, c2
}

// Exports all customizers as JSON lines, with the service's field names, in constant
// memory. The file gets its name only when it is complete.
func Example_export() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(600))
	defer srv.Close()

	export := func(ctx context.Context, client *customizers.Client, path string) (err error) {
		f, err := os.CreateTemp(filepath.Dir(path), ".export-*")
		if err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, f.Close())
			if err == nil {
				err = os.Rename(f.Name(), path)
			}
			if err != nil {
				_ = os.Remove(f.Name())
			}
		}()
		lines := json.NewEncoder(f)
		for c, err := range client.All(ctx, customizers.ListOptions{}) {
			if err != nil {
				return err
			}
			if err := lines.Encode(c); err != nil {
				return err
			}
		}
		return nil
	}

	dir, err := os.MkdirTemp("", "export")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "customizers.jsonl")
	if err := export(context.Background(), srv.Client(), path); err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Count(data, []byte("\n")), "lines")
	// Output: 600 lines
}

// Uses credentials that are rotated while the program runs. The secret is read for each
// token request, so a new one is used once the token expires or the service refuses it.
func Example_rotatingCredentials() {
	srv := customizerstest.NewServer(customizerstest.WithCredentials("id", "first"))
	defer srv.Close()
	secret := "first" // for example from a file that a secret store updates

	source := tokenSource(func() (*oauth2.Token, error) {
		config := clientcredentials.Config{
			ClientID:     "id",
			ClientSecret: secret,
			TokenURL:     srv.URL + "/oauth/token",
			AuthStyle:    oauth2.AuthStyleInParams,
		}
		return config.Token(context.Background())
	})
	client, err := customizers.New(srv.URL, customizers.TokenSource(source))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		_, err := client.Create(context.Background(), customizers.CreateRequest{Name: "hr-feed"})
		fmt.Println(err)
		srv.ClientSecret, secret = "second", "second" // rotate the secret
		srv.ExpireTokens()                            // the service now refuses the old token
	}
	// Output:
	// <nil>
	// <nil>
}
