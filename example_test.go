package customizers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func ExampleNew() {
	client, err := customizers.New("acme", // or "https://acme.api.identitynow.com", or a vanity URL
		customizers.ClientCredentials("client-id", "client-secret"),
		customizers.WithAPIVersion(customizers.APIVersion2025),
		customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 6, MaxWait: 5 * time.Minute}),
		customizers.WithRateLimit(50, 10*time.Second), // leave half to the other programs
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
	fmt.Println(err)
	// Output:
	// true
	// customizers: invalid argument: the tenant URL of "acme.api.identitynow.com" is not encrypted (want https, except for a loopback host)
}

func ExampleTokenSource() {
	// Any source of tokens will do: a secret store's, another library's.
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "a token that one already has"})
	client, err := customizers.New("acme", customizers.TokenSource(source))
	if err != nil {
		log.Fatal(err)
	}
	_ = client
}

func ExampleClient_All() {
	srv := customizerstest.NewServer(customizerstest.WithSeed(1000))
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
	fmt.Println(n, "have no version yet")
	// Output: 1000 have no version yet
}

func ExampleClient_Pages() {
	srv := customizerstest.NewServer(customizerstest.WithSeed(600))
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

	archive := bytes.NewReader(emptyZip) // or an *os.File: streamed, and sent again when need be
	v, err := srv.Client().CreateVersion(context.Background(), "c1", archive)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", v.Version)
	// Output: version 1
}

// emptyZip is the smallest zip archive.
var emptyZip = append([]byte("PK\x05\x06"), make([]byte, 18)...)

// When the outcome of a create is unknown, look before creating again.
func ExampleClient_Create() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Acted: true, Cut: true})
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
		fmt.Println("again in", e.RetryAfter)
	}
	// Output:
	// status 429
	// again in 5m0s
}

// counter counts the requests that go through it.
type counter struct {
	next http.RoundTripper
	sent int
}

func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.sent++ // with calls by several goroutines, use an atomic.Int64
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
	fmt.Println(wire.sent, "requests, one of them for the token")
	// Output: 2 requests, one of them for the token
}
