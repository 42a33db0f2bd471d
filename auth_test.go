package customizers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestTokenRequest(t *testing.T) {
	t.Parallel()
	var form url.Values
	c := withTokens(t, func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseForm())
		form = r.PostForm
		assert.Empty(t, r.Header.Get("Authorization"), "the credentials go in the form")
		_, _ = io.WriteString(w, `{"access_token":"a","token_type":"bearer","expires_in":749}`)
	})
	_, err := c.List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"the-id"}, "client_secret": {"the-secret+&"}}, form)
}

// withTokens makes a client of a tenant whose token endpoint is h and whose lists are empty.
func withTokens(t *testing.T, h http.HandlerFunc, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		h(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return newClient(t, srv.URL, customizers.ClientCredentials("the-id", "the-secret+&"), append([]customizers.Option{quick}, opts...)...)
}

func TestFailingTokenEndpoint(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status    int
		body      string
		sentinel  error
		requests  int
		wantTexts []string
	}{
		"wrong secret": {
			401, `{"error":"invalid_client","error_description":"Bad client credentials"}`,
			customizers.ErrUnauthorized, 1, []string{"401 Unauthorized", "Bad client credentials", "invalid_client"},
		},
		"bad request": {
			400, `{"error":"invalid_request","error_description":"No such grant for the-secret+& or the-secret%2B%26"}`,
			customizers.ErrUnauthorized, 1, []string{"400 Bad Request", "No such grant for [redacted] or [redacted]"},
		},
		"service's shape": {
			403, `{"detailCode":"403 Forbidden","trackingId":"tr-1","messages":[{"text":"No."}]}`,
			customizers.ErrUnauthorized, 1, []string{"403", "No.", "tr-1"},
		},
		"down":             {503, `<html><title>Be right back</title>`, customizers.ErrServer, 4, []string{"503", "34 bytes of application/json", "after 4 attempts"}},
		"limited":          {429, `{"message":" Rate Limit Exceeded "}`, customizers.ErrRateLimited, 4, []string{"429", "Rate Limit Exceeded"}},
		"empty":            {200, ``, nil, 1, []string{"200 OK", "no usable access_token in an empty body"}},
		"no token":         {200, `{"token_type":"bearer"}`, nil, 1, []string{"200 OK", "no usable access_token in 23 bytes"}},
		"HTML":             {200, `<html>the-secret+&</html>`, nil, 1, []string{"no usable access_token in 25 bytes"}},
		"error with 200":   {200, `{"error":"invalid_client","error_description":"Locked"}`, customizers.ErrUnauthorized, 1, []string{"Locked", "invalid_client"}},
		"unusable":         {200, `{"access_token":"a\nb"}`, nil, 1, []string{"no usable access_token"}},
		"redirect":         {302, ``, nil, 1, []string{"302 Found", "redirects to https://elsewhere.example are not followed"}},
		"error no strings": {400, `{"error":{"code":7}}`, customizers.ErrUnauthorized, 1, []string{"400 Bad Request"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			c := withTokens(t, func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", "https://elsewhere.example/x?client_secret=the-secret")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := c.Create(ctxOf(t), customizers.CreateRequest{Name: "n"})
			var e *customizers.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "/oauth/token", e.Path)
			assert.Equal(t, http.MethodPost, e.Method)
			assert.Equal(t, tt.status, e.StatusCode)
			for _, want := range append(tt.wantTexts, "POST /oauth/token") {
				require.ErrorContains(t, err, want)
			}
			if tt.sentinel != nil {
				require.ErrorIs(t, err, tt.sentinel)
			} else {
				require.NotErrorIs(t, err, customizers.ErrUnauthorized)
			}
			require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown, "the create was not sent")
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "the-secret")
			assert.EqualValues(t, tt.requests, requests.Load())
		})
	}
}

func TestTokenEndpointRecovers(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	srv.Inject(
		customizerstest.Fault{Operation: customizerstest.Token, Status: 503},
		customizerstest.Fault{Operation: customizerstest.Token, Cut: true},
	)
	_, err := clientOf(t, srv).Create(ctxOf(t), customizers.CreateRequest{Name: "n"})
	require.NoError(t, err)
	assert.Equal(t, 3, sent(srv, customizerstest.Token))
	assert.Len(t, srv.Customizers(), 1)
}

func TestConcurrentCallsShareAFailedFetch(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Token, Times: -1, Delay: 100 * time.Millisecond, Status: 401})
	c := clientOf(t, srv)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := c.List(ctxOf(t), customizers.ListOptions{})
			assert.ErrorIs(t, err, customizers.ErrUnauthorized)
		})
	}
	wg.Wait()
	assert.Less(t, len(srv.Requests(customizerstest.Token)), 10, "not one each")
}

// The caller that began a fetch leaves; the others still get a token.
func TestAFetchOutlivesTheCallerThatBeganIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetches atomic.Int32
		transport := roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.URL.Path != "/oauth/token" {
				return fixed([]byte("[]"))(req)
			}
			fetches.Add(1)
			select {
			case <-time.After(10 * time.Second):
				return fixed([]byte(`{"access_token":"a"}`))(req)
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		})
		c := newClient(t, "acme", customizers.ClientCredentials("i", "s"), customizers.WithHTTPClient(&http.Client{Transport: transport}))
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := c.List(ctx, customizers.ListOptions{})
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, 5*time.Second, time.Since(start))
		})
		time.Sleep(time.Second)
		for range 3 {
			wg.Go(func() {
				_, err := c.List(t.Context(), customizers.ListOptions{})
				assert.NoError(t, err)
				assert.Equal(t, 15*time.Second, time.Since(start))
			})
		}
		wg.Wait()
		assert.EqualValues(t, 2, fetches.Load())
	})
}

func TestTokenSource(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))

	t.Run("is asked once", func(t *testing.T) {
		src := &source{next: func() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: tokenOf(t, srv)}, nil }}
		c := clientWithSource(t, srv, src)
		for range 3 {
			_, err := c.List(ctxOf(t), customizers.ListOptions{})
			require.NoError(t, err)
		}
		assert.EqualValues(t, 1, src.asked.Load())
	})
	t.Run("is asked again for an expired one", func(t *testing.T) {
		src := &source{next: func() (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: tokenOf(t, srv), Expiry: time.Now().Add(-time.Second)}, nil
		}}
		c := clientWithSource(t, srv, src)
		for range 3 {
			_, err := c.List(ctxOf(t), customizers.ListOptions{})
			require.NoError(t, err)
		}
		assert.EqualValues(t, 3, src.asked.Load())
	})
	t.Run("that fails", func(t *testing.T) {
		broken := errors.New("the vault is sealed")
		src := &source{next: func() (*oauth2.Token, error) { return nil, broken }}
		_, err := clientWithSource(t, srv, src).List(ctxOf(t), customizers.ListOptions{})
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "no token from the token source: the vault is sealed")
	})
	t.Run("that gives nothing", func(t *testing.T) {
		src := &source{next: func() (*oauth2.Token, error) { return nil, nil }}
		_, err := clientWithSource(t, srv, src).List(ctxOf(t), customizers.ListOptions{})
		require.ErrorContains(t, err, "the access token is empty")
	})
	t.Run("that gives what a header can't carry", func(t *testing.T) {
		_, err := clientWithSource(t, srv, static("a\nb")).List(ctxOf(t), customizers.ListOptions{})
		require.ErrorContains(t, err, "characters that a header can't carry")
	})
	t.Run("that keeps giving a refused one", func(t *testing.T) {
		before := len(srv.Requests(customizerstest.List))
		_, err := clientWithSource(t, srv, static("unknown")).List(ctxOf(t), customizers.ListOptions{})
		require.ErrorIs(t, err, customizers.ErrUnauthorized)
		require.ErrorContains(t, err, "JWT validation failed: JWT is not valid")
		assert.Equal(t, before+1, sent(srv, customizerstest.List), "the same token is not sent twice")
	})
	t.Run("that hangs", func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		src := &source{next: func() (*oauth2.Token, error) { <-release; return nil, errors.New("late") }}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := clientWithSource(t, srv, src).List(ctx, customizers.ListOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

type source struct {
	asked atomic.Int32
	next  func() (*oauth2.Token, error)
}

func (s *source) Token() (*oauth2.Token, error) {
	s.asked.Add(1)
	return s.next()
}

func clientWithSource(t *testing.T, srv *customizerstest.Server, src oauth2.TokenSource) *customizers.Client {
	t.Helper()
	return newClient(t, srv.URL, customizers.TokenSource(src), quick)
}

// A token that the service refuses though it is new is an error, after one fetch more.
func TestRefusedTwice(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithTokenLifetime(0))
	_, err := clientOf(t, srv).Create(ctxOf(t), customizers.CreateRequest{Name: "n"})
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, customizers.ErrUnauthorized)
	require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown, "a 401 is proof that nothing was done")
	assert.Equal(t, 401, e.StatusCode)
	assert.Equal(t, []customizers.Message{{Text: "JWT validation failed: JWT is expired"}}, e.Messages)
	assert.Equal(t, 2, sent(srv, customizerstest.Create))
	assert.Equal(t, 2, sent(srv, customizerstest.Token))
}

// A create whose token has expired is sent again: a 401 says that nothing was done.
func TestCreateWithAnExpiredToken(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	c := clientOf(t, srv, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	create(t, c, "first")
	srv.ExpireTokens()
	made := create(t, c, "second")
	srv.ExpireTokens()
	_, err := c.CreateVersion(ctxOf(t), made.ID, readerAt(archive(t)))
	require.NoError(t, err, "renewing a token is no retry")
	assert.Len(t, srv.Customizers(), 2)
}

func TestManyCallsWithAnExpiredToken(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	c := clientOf(t, srv)
	_, err := c.List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)
	srv.ExpireTokens()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := c.List(ctxOf(t), customizers.ListOptions{})
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Equal(t, 2, sent(srv, customizerstest.Token), "one at first and one for all")
}

// The requests for tokens go through the caller's client, under the caller's context.
func TestTokenRequestsUseTheCallersClientAndContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	var paths []string
	transport := roundTripper(func(req *http.Request) (*http.Response, error) {
		paths = append(paths, req.URL.Path)
		assert.Equal(t, "mine", req.Context().Value(key{}))
		if req.URL.Path == "/oauth/token" {
			return fixed([]byte(`{"access_token":"a"}`))(req)
		}
		return fixed([]byte("[]"))(req)
	})
	c := newClient(t, "acme", customizers.ClientCredentials("i", "s"), customizers.WithHTTPClient(&http.Client{Transport: transport}))
	_, err := c.List(context.WithValue(t.Context(), key{}, "mine"), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"/oauth/token", "/v2024/connector-customizers"}, paths)
}
