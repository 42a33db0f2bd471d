package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// authorize adds an access token to an attempt. If a pause begins during the fetch, it
// waits and then gets the token again, in case it has expired.
func authorize(next Handler, t *tokens, g *gate) Handler {
	return handlerFunc(func(c *Call) (*Response, error) {
		token, err := t.get(c.Context)
		for left, _ := g.pauseLeft(); err == nil && left > 0; left, _ = g.pauseLeft() {
			if err = g.wait(c, nil); err == nil {
				token, err = t.get(c.Context)
			}
		}
		if err != nil {
			return nil, err
		}
		if p := c.Previous; p != nil && p.Status() == http.StatusUnauthorized && p.Call.Token == token.AccessToken {
			return nil, p // there is only the refused token
		}
		c.Token = token.AccessToken
		token.SetAuthHeader(c.Request)
		resp, err := next.Do(c)
		if resp != nil && resp.StatusCode == http.StatusUnauthorized {
			t.drop(token)
		}
		return resp, err
	})
}

// tokens caches a client's access token. All callers share one fetch.
type tokens struct {
	fetch func(context.Context) (*oauth2.Token, error)

	mu      sync.Mutex
	token   *oauth2.Token
	renewAt time.Time // zero for never
	current *fetch    // fetch in progress, or nil
}

// A fetch of a token is shared by all callers that wait for it.
type fetch struct {
	done  chan struct{}
	token *oauth2.Token
	err   error
}

// get returns the token. It fetches one if there is none or it is about to expire. The fetch
// has the values of its first caller's context, but outlives it, because others need the
// token. The retry policy and the watchdog limit its duration.
func (t *tokens) get(ctx context.Context) (*oauth2.Token, error) {
	t.mu.Lock()
	if t.token != nil && (t.renewAt.IsZero() || time.Now().Before(t.renewAt)) {
		defer t.mu.Unlock()
		return t.token, nil
	}
	f := t.current
	if f == nil {
		f = &fetch{done: make(chan struct{}), err: errors.New("the token source did not return")}
		t.current = f
		go t.run(context.WithoutCancel(ctx), f)
	}
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// run fetches a token. It runs in its own goroutine, because its callers may return first.
func (t *tokens) run(ctx context.Context, f *fetch) {
	defer func() {
		if r := recover(); r != nil { // of a token source or an observer
			cause, _ := r.(error)
			f.err = tokenError(cause, "fetching a token panicked: %v", r)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if f.err == nil {
			t.token, t.renewAt = f.token, renewalTime(f.token, time.Now())
		}
		t.current = nil
		close(f.done)
	}()
	f.token, f.err = t.fetch(ctx)
}

// drop forgets a token that the service refused.
func (t *tokens) drop(token *oauth2.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != nil && t.token.AccessToken == token.AccessToken {
		t.token = nil
	}
}

// renewalTime returns when to replace a token that was fetched at now: before its expiry by 30
// seconds or a tenth of its lifetime, whichever is less.
func renewalTime(t *oauth2.Token, now time.Time) time.Time {
	if t.Expiry.IsZero() {
		return time.Time{}
	}
	life := t.Expiry.Sub(now)
	return t.Expiry.Add(-min(30*time.Second, max(0, life/10)))
}

// TokenOperation is the operation of a token request.
const TokenOperation = "Token"

// tokenError returns the error of a fetch that sent no request. It matches cause.
func tokenError(cause error, format string, args ...any) *Error {
	return &Error{Call: &Call{Operation: TokenOperation, Request: &http.Request{}}, Err: fmt.Errorf(format, args...), StopCause: cause}
}

// FromSource returns a fetcher that gets tokens from src.
func FromSource(src oauth2.TokenSource) TokenFetcher {
	return func(context.Context, Handler) (*oauth2.Token, error) {
		t, err := src.Token()
		if err == nil {
			err = CheckToken(t)
		}
		if err != nil {
			return nil, tokenError(err, "no token from the token source: %v", err)
		}
		return t, nil
	}
}

// ErrNoToken reports a response of the token endpoint without a usable token.
var ErrNoToken = errors.New("no usable access_token")

// FromCredentials returns a fetcher that requests tokens at tokenURL with the
// client-credentials grant.
func FromCredentials(tokenURL, clientID, clientSecret string, header http.Header) TokenFetcher {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {clientSecret}}.Encode()
	return func(ctx context.Context, h Handler) (*oauth2.Token, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, tokenURL, strings.NewReader(form))
		if err != nil {
			return nil, tokenError(err, "%v", err)
		}
		maps.Copy(req.Header, header)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := h.Do(&Call{Context: ctx, Operation: TokenOperation, Request: req, Idempotent: true})
		if err != nil {
			return nil, err
		}
		var body struct {
			AccessToken string  `json:"access_token"` // the type is always Bearer, whatever token_type holds
			ExpiresIn   seconds `json:"expires_in"`
		}
		err = json.Unmarshal(bytes.TrimPrefix(resp.Data, []byte("\ufeff")), &body)
		t := &oauth2.Token{AccessToken: body.AccessToken}
		if body.ExpiresIn > 0 {
			t.Expiry = time.Now().Add(time.Duration(body.ExpiresIn))
		}
		if err != nil || CheckToken(t) != nil {
			return nil, &Error{Call: resp.Call, Response: resp, Err: ErrNoToken, Attempts: resp.Attempts}
		}
		return t, nil
	}
}

// seconds is a JSON number of seconds, or a string that holds one. Anything else decodes as
// zero, so that a token with an odd lifetime is still used.
type seconds time.Duration

func (s *seconds) UnmarshalJSON(data []byte) error {
	var n json.Number
	if json.Unmarshal(data, &n) == nil {
		if f, err := n.Float64(); err == nil && f > 0 && f < 1e9 {
			*s = seconds(f * float64(time.Second))
		}
	}
	return nil
}

// maxToken is the maximum length of a token. Servers accept headers of 8 to 16 KiB.
const maxToken = 64 << 10

// CheckToken returns an error if the token is invalid in a header. The error does not quote
// the token.
func CheckToken(t *oauth2.Token) error {
	if t == nil || t.AccessToken == "" {
		return errors.New("the access token is empty")
	}
	if len(t.AccessToken) > maxToken {
		return fmt.Errorf("the access token has %d bytes (want at most %d)", len(t.AccessToken), maxToken)
	}
	for _, r := range t.AccessToken {
		if r <= ' ' || r > '~' {
			return errors.New("the access token has characters that are invalid in a header")
		}
	}
	return nil
}
