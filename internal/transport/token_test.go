package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

const tokenURL = "https://acme.example/oauth/token"

// All calls share one fetch, also after the token has expired or was refused.
func TestCallsShareFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fetches, refused := 0, ""
		next := numberedTokens(10 * time.Minute)
		h := newChain(func(req *http.Request) (*http.Response, error) {
			if req.Header.Get("Authorization") == refused {
				return newResponse(401, ""), nil
			}
			return newResponse(200, ""), nil
		}, withFetch(func(ctx context.Context, h Handler) (*oauth2.Token, error) {
			fetches++
			time.Sleep(time.Second)
			return next(ctx, h)
		}))
		getAll := func() {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					_, err := get(t.Context(), h)
					assert.NoError(t, err)
				})
			}
			wg.Wait()
		}
		getAll()
		assert.Equal(t, 1, fetches)
		refused = "Bearer 1"
		getAll()
		assert.Equal(t, 2, fetches)
		time.Sleep(569 * time.Second)
		getAll()
		assert.Equal(t, 2, fetches)
		time.Sleep(time.Second)
		getAll()
		assert.Equal(t, 3, fetches, "30 seconds before it expires")
	})
}

// A fetch outlives the calls that wait for it. Later calls use its token.
func TestFetchOutlivesItsCallers(t *testing.T) {
	t.Parallel()
	for name, fetch := range map[string]TokenFetcher{
		"token request": FromCredentials(tokenURL, "id", "secret", http.Header{}),
		"token source": FromSource(sourceFunc(func() (*oauth2.Token, error) {
			time.Sleep(3 * time.Second)
			return &oauth2.Token{AccessToken: "token"}, nil
		})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fetches := 0
				type key struct{}
				h := newChain(func(req *http.Request) (*http.Response, error) {
					if req.URL.String() != tokenURL {
						return newResponse(200, ""), nil
					}
					select {
					case <-time.After(3 * time.Second):
						return newResponse(200, `{"access_token":"token"}`), nil
					case <-req.Context().Done():
						return nil, req.Context().Err()
					}
				}, withFetch(func(ctx context.Context, h Handler) (*oauth2.Token, error) {
					fetches++
					assert.Equal(t, "of the first caller", ctx.Value(key{}))
					return fetch(ctx, h)
				}))
				succeeded := 0
				for range 30 {
					ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "of the first caller"), 2*time.Second)
					took, err := get(ctx, h)
					cancel()
					if err == nil {
						succeeded++
						continue
					}
					require.ErrorIs(t, err, context.DeadlineExceeded)
					assert.Equal(t, 2*time.Second, took)
					assert.True(t, errorOf(t, err).NotSent)
				}
				assert.Equal(t, 29, succeeded)
				assert.Equal(t, 1, fetches)
			})
		})
	}
}

// A token that is refused late, after another call has renewed it, is not fetched again.
func TestLateRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		next := numberedTokens(time.Hour)
		h := newChain(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPut {
				time.Sleep(time.Minute)
			}
			if req.Header.Get("Authorization") == "Bearer 1" {
				return newResponse(401, ""), nil
			}
			return newResponse(200, ""), nil
		}, withFetch(func(ctx context.Context, h Handler) (*oauth2.Token, error) {
			fetches++
			return next(ctx, h)
		}))
		var wg sync.WaitGroup
		for _, method := range []string{http.MethodPut, http.MethodGet} {
			wg.Go(func() {
				_, err := h.Do(newCall(t.Context(), method))
				assert.NoError(t, err)
			})
			synctest.Wait() // both begin with the first token
		}
		wg.Wait()
		assert.Equal(t, 2, fetches)
	})
}

// If a fetch fails, all calls that wait for it fail and send nothing. The next call fetches
// again.
func TestFetchFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for want, source := range map[string]func() (*oauth2.Token, error){
		"no token from the token source: broken":                    func() (*oauth2.Token, error) { return nil, broken },
		"no token from the token source: the access token is empty": func() (*oauth2.Token, error) { return nil, nil },
		"no token from the token source: the access token has 2000000 bytes (want at most 65536)": func() (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: strings.Repeat("t", 2_000_000)}, nil
		},
		"fetching a token panicked: broken": func() (*oauth2.Token, error) { panic(broken) },
		"the token source did not return":   func() (*oauth2.Token, error) { runtime.Goexit(); return nil, nil },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newChain(always(200), withFetch(FromSource(sourceFunc(func() (*oauth2.Token, error) { return source() }))))
				for range 2 {
					var wg sync.WaitGroup
					for range 3 {
						wg.Go(func() {
							_, err := get(t.Context(), h)
							assert.EqualError(t, err, want)
							assert.Zero(t, errorOf(t, err).Attempts)
						})
					}
					wg.Wait()
				}
				source = func() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "token"}, nil }
				_, err := get(t.Context(), h)
				assert.NoError(t, err)
			})
		})
	}
	_, err := get(t.Context(), newChain(always(200), withFetch(FromSource(sourceFunc(func() (*oauth2.Token, error) { panic(broken) })))))
	assert.ErrorIs(t, err, broken)
}

type sourceFunc func() (*oauth2.Token, error)

func (f sourceFunc) Token() (*oauth2.Token, error) { return f() }

// A call is not sent again with a refused token.
func TestSourceHasOnlyTheRefusedToken(t *testing.T) {
	t.Parallel()
	sent := 0
	h := newChain(func(*http.Request) (*http.Response, error) { sent++; return newResponse(401, ""), nil })
	_, err := get(t.Context(), h)
	assert.Equal(t, 1, sent)
	e := errorOf(t, err)
	assert.Equal(t, 401, e.Status())
	assert.Equal(t, 1, e.Attempts)
}

func TestRenewalTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for life, want := range map[time.Duration]time.Duration{
		749 * time.Second: 719 * time.Second,
		300 * time.Second: 270 * time.Second,
		10 * time.Second:  9 * time.Second,
		-time.Second:      -time.Second,
	} {
		assert.Equal(t, now.Add(want), renewalTime(&oauth2.Token{Expiry: now.Add(life)}, now), life)
	}
	assert.Zero(t, renewalTime(&oauth2.Token{}, now), "never")
}

func TestFromCredentials(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want *oauth2.Token
		life time.Duration
	}{
		"number":       {`{"access_token":"a.b-c","token_type":"bearer","expires_in":749}`, &oauth2.Token{AccessToken: "a.b-c"}, 749 * time.Second},
		"float":        {`{"access_token":"t","expires_in":1.5}`, &oauth2.Token{AccessToken: "t"}, 1500 * time.Millisecond},
		"string":       {`{"access_token":"t","expires_in":"749"}`, &oauth2.Token{AccessToken: "t"}, 749 * time.Second},
		"absent":       {`{"access_token":"t"}`, &oauth2.Token{AccessToken: "t"}, 0},
		"null":         {`{"access_token":"t","expires_in":null}`, &oauth2.Token{AccessToken: "t"}, 0},
		"negative":     {`{"access_token":"t","expires_in":-1}`, &oauth2.Token{AccessToken: "t"}, 0},
		"timestamp":    {`{"access_token":"t","expires_in":1795000000}`, &oauth2.Token{AccessToken: "t"}, 0},
		"huge":         {`{"access_token":"t","expires_in":1e300}`, &oauth2.Token{AccessToken: "t"}, 0},
		"object":       {`{"access_token":"t","expires_in":{"s":1}}`, &oauth2.Token{AccessToken: "t"}, 0},
		"text":         {`{"access_token":"t","expires_in":"soon"}`, &oauth2.Token{AccessToken: "t"}, 0},
		"type number":  {`{"access_token":"t","token_type":5}`, &oauth2.Token{AccessToken: "t"}, 0},
		"type list":    {`{"access_token":"t","token_type":["bearer"]}`, &oauth2.Token{AccessToken: "t"}, 0},
		"type unknown": {`{"access_token":"t","token_type":"JWT\n"}`, &oauth2.Token{AccessToken: "t"}, 0},
		"BOM":          {"\ufeff" + `{"access_token":"t"}`, &oauth2.Token{AccessToken: "t"}, 0},
		"largest":      {`{"access_token":"` + strings.Repeat("t", maxToken) + `"}`, &oauth2.Token{AccessToken: strings.Repeat("t", maxToken)}, 0},
		"too large":    {`{"access_token":"` + strings.Repeat("t", maxToken+1) + `"}`, nil, 0},
		"no token":     {`{"error":"no"}`, nil, 0},
		"empty body":   {``, nil, 0},
		"HTML":         {`<html>`, nil, 0},
		"control char": {`{"access_token":"a\nb"}`, nil, 0},
		"space":        {`{"access_token":"a b"}`, nil, 0},
		"not ASCII":    {`{"access_token":"ä"}`, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var token *oauth2.Token
				fetch := FromCredentials(tokenURL, "the id", "s&cret", http.Header{"Accept": {"application/json"}})
				h := newChain(func(req *http.Request) (*http.Response, error) {
					if req.URL.String() != tokenURL {
						return newResponse(200, ""), nil
					}
					body, err := io.ReadAll(req.Body)
					require.NoError(t, err)
					assert.Equal(t, "client_id=the+id&client_secret=s%26cret&grant_type=client_credentials", string(body))
					assert.Equal(t, http.MethodPost, req.Method)
					assert.Equal(t, "application/x-www-form-urlencoded", req.Header.Get("Content-Type"))
					assert.Equal(t, "application/json", req.Header.Get("Accept"))
					assert.Empty(t, req.Header.Get("Authorization"))
					return newResponse(200, tt.body), nil
				}, withFetch(func(ctx context.Context, h Handler) (_ *oauth2.Token, err error) {
					token, err = fetch(ctx, h)
					return token, err
				}))
				_, err := get(t.Context(), h)
				if tt.want == nil {
					require.ErrorIs(t, err, ErrNoToken)
					assert.NotContains(t, err.Error(), "a b")
					e := errorOf(t, err)
					assert.Equal(t, TokenOperation, e.Call.Operation)
					assert.Equal(t, 1, e.Attempts)
					return
				}
				require.NoError(t, err)
				if tt.life > 0 {
					tt.want.Expiry = time.Now().Add(tt.life)
				}
				assert.Equal(t, tt.want, token)
			})
		})
	}
	h := newChain(always(200), withFetch(FromCredentials("://", "id", "secret", http.Header{})))
	_, err := get(t.Context(), h)
	assert.ErrorContains(t, err, "missing protocol scheme")
}

// A token request is retried like any other. A pause delays it, and it takes no slot.
func TestTokenRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens := []*http.Response{
			newResponse(503, "", "Retry-After", "10"), newResponse(429, "", "Retry-After", "20"), newResponse(200, `{"access_token":"token"}`),
		}
		h := newChain(func(req *http.Request) (*http.Response, error) {
			if req.URL.String() == tokenURL {
				resp := tokens[0]
				tokens = tokens[1:]
				return resp, nil
			}
			return newResponse(200, ""), nil
		}, withWindow(1, time.Hour), withFetch(FromCredentials(tokenURL, "id", "secret", http.Header{})))
		took, err := get(t.Context(), h)
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second, took)
	})

	synctest.Test(t, func(t *testing.T) {
		h := newChain(always(429, "Retry-After", "300"), withFetch(FromCredentials(tokenURL, "id", "secret", http.Header{})))
		for range 2 {
			took, err := get(t.Context(), h)
			require.Error(t, err)
			assert.Zero(t, took)
			assert.Equal(t, 5*time.Minute, errorOf(t, err).RetryAfter, "also in the second call")
		}
	})
}

// A pause also delays token requests, even one that already waits for a retry.
func TestPauseDelaysTokenRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, fetches, calls := time.Now(), 0, 0
		h := newChain(func(req *http.Request) (*http.Response, error) {
			if req.URL.String() != tokenURL {
				if calls++; calls == 1 {
					time.Sleep(20 * time.Second)
					return newResponse(429, "", "Retry-After", "60"), nil
				}
				return newResponse(200, ""), nil
			}
			switch fetches++; fetches {
			case 2: // at 15 s
				return newResponse(503, "", "Retry-After", "10"), nil
			case 3: // due at 25 s
				assert.Equal(t, 80*time.Second, time.Since(start))
			}
			return newResponse(200, `{"access_token":"token","expires_in":10}`), nil
		}, withFetch(FromCredentials(tokenURL, "id", "secret", http.Header{})))
		var wg sync.WaitGroup
		for _, begin := range []time.Duration{0, 15 * time.Second} {
			wg.Go(func() {
				time.Sleep(begin)
				_, err := get(t.Context(), h)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Equal(t, 3, fetches)
	})
}
