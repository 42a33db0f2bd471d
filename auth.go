package customizers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const tokenPath = "/oauth/token" //nolint:gosec // an address

// tokens keeps the client's access token, and fetches it once for any number of
// callers.
type tokens struct {
	fetch func(context.Context) (*oauth2.Token, error)

	mu     sync.Mutex
	token  *oauth2.Token
	renew  time.Time // from then on token is not used; zero for never
	flight *flight   // the fetch that is under way, or nil
}

// A flight is one fetch, shared by all who wait for it.
type flight struct {
	done      chan struct{}
	token     *oauth2.Token
	err       error
	abandoned bool // it ended for the context of the caller that began it
}

func newTokens(fetch func(context.Context) (*oauth2.Token, error)) *tokens {
	return &tokens{fetch: fetch}
}

// get returns the token, fetching it when there is none that is good. All who call
// meanwhile get the outcome of that one fetch, unless it ended with the context of
// the caller that began it: then the next begins another.
func (t *tokens) get(ctx context.Context) (*oauth2.Token, error) {
	for {
		mine := false
		t.mu.Lock()
		if t.token != nil && (t.renew.IsZero() || time.Now().Before(t.renew)) {
			token := t.token
			t.mu.Unlock()
			return token, nil
		}
		f := t.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			t.flight, mine = f, true
			go t.run(ctx, f)
		}
		t.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, endOf(ctx)
		}
		if f.abandoned && !mine && ctx.Err() == nil {
			continue
		}
		return f.token, f.err
	}
}

func (t *tokens) run(ctx context.Context, f *flight) {
	f.err = errors.New("the token source did not return")
	defer func() {
		// A token source or an observer of the user's may panic, here where no caller could recover.
		if r := recover(); r != nil {
			e := &Error{Operation: "Token", what: fmt.Sprintf("no token: fetching it panicked: %v", r)}
			cause, _ := r.(error)
			e.wrap(cause)
			f.err = e
		}
		_, hasDeadline := ctx.Deadline()
		f.abandoned = f.err != nil && (ctx.Err() != nil || hasDeadline && errors.Is(f.err, context.DeadlineExceeded))
		t.mu.Lock()
		defer t.mu.Unlock()
		if f.err == nil {
			t.token, t.renew = f.token, renewAt(f.token, time.Now())
		}
		t.flight = nil
		close(f.done)
	}()
	f.token, f.err = t.fetch(ctx)
}

// refuse forgets a token that the service did not accept.
func (t *tokens) refuse(token *oauth2.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != nil && t.token.AccessToken == token.AccessToken {
		t.token = nil
	}
}

// renewAt is when to stop using a token that was fetched at now: half a minute before
// it expires, or a tenth of its life when that is less, so that it does not expire on
// its way.
func renewAt(t *oauth2.Token, now time.Time) time.Time {
	if t.Expiry.IsZero() {
		return time.Time{}
	}
	life := t.Expiry.Sub(now)
	return t.Expiry.Add(-min(30*time.Second, max(0, life/10)))
}

// sourceFetch fetches from a token source of the user's.
func sourceFetch(src oauth2.TokenSource) func(context.Context) (*oauth2.Token, error) {
	return func(context.Context) (*oauth2.Token, error) {
		t, err := src.Token()
		if err == nil {
			err = checkToken(t)
		}
		if err != nil {
			return nil, &Error{Operation: "Token", what: "no token from the token source: " + err.Error(), wraps: []error{err}}
		}
		return t, nil
	}
}

// credentialsFetch fetches by the client-credentials grant at tokenURL, through s, so
// with its retries and its bound on bodies.
func (s *sender) credentialsFetch(tokenURL, clientID, clientSecret string) func(context.Context) (*oauth2.Token, error) {
	config := &clientcredentials.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		TokenURL:     tokenURL,
		AuthStyle:    oauth2.AuthStyleInParams,
	}
	return func(ctx context.Context) (*oauth2.Token, error) {
		var answer *http.Response
		client := &http.Client{Transport: roundTripper(func(req *http.Request) (resp *http.Response, err error) {
			resp, err = s.send(req, nil)
			answer = resp
			return resp, err
		})}
		t, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
		if err == nil {
			err = checkToken(t)
		}
		var failed *Error
		switch {
		case err == nil:
			return t, nil
		case errors.As(err, &failed), answer == nil:
			return nil, err
		}
		// A success that holds no token. What oauth2 says may quote the body, so it
		// is not repeated.
		body := bodyOf(answer)
		e := &Error{Operation: "Token", Method: http.MethodPost, Path: answer.Request.URL.Path, StatusCode: answer.StatusCode, Attempts: body.call.sent}
		e.readBody(answer, body.data, s.redact(nil), false)
		e.what = "no usable access_token in " + describeBody(answer, len(body.data))
		e.wrap(ErrUnauthorized)
		return nil, e
	}
}

// checkToken refuses a token that a header can't carry, without quoting it.
func checkToken(t *oauth2.Token) error {
	if t == nil || t.AccessToken == "" {
		return errors.New("the access token is empty")
	}
	for _, r := range t.AccessToken {
		if r <= ' ' || r > '~' {
			return errors.New("the access token has characters that a header can't carry")
		}
	}
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
