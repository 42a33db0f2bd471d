package customizerstest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// An issuer issues access tokens and checks them.
type issuer struct {
	lifetime time.Duration
	scopes   []string

	mu     sync.Mutex
	tokens map[string]token
}

type token struct {
	clientID string
	scopes   []string
	expires  time.Time
}

func newIssuer(lifetime time.Duration, scopes []string) *issuer {
	return &issuer{lifetime: lifetime, scopes: scopes, tokens: map[string]token{}}
}

// serveToken serves POST /oauth/token.
func (i *issuer) serveToken(w http.ResponseWriter, r *http.Request, clientID, clientSecret string) {
	p, err := tokenParameters(w, r)
	matches := func(name, want string) bool { return subtle.ConstantTimeCompare([]byte(p[name]), []byte(want)) == 1 }
	switch {
	case err != nil:
		writeTokenError(w, http.StatusBadRequest, err.Error())
	case p["grant_type"] == "":
		writeTokenError(w, http.StatusBadRequest, "The grant_type is missing. Send it in the query, or in a form of type application/x-www-form-urlencoded or multipart/form-data.")
	case !strings.EqualFold(p["grant_type"], "client_credentials"): // SailPoint's page has it in capitals, too
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type", "error_description": "Unsupported grant type: " + p["grant_type"]})
	case p["client_id"] == "" || p["client_secret"] == "":
		writeTokenError(w, http.StatusUnauthorized, "The client_id or client_secret is missing.")
	case !matches("client_id", clientID) || !matches("client_secret", clientSecret):
		writeTokenError(w, http.StatusUnauthorized, badCredentials)
	default:
		writeJSON(w, http.StatusOK, map[string]any{
			"access_token": i.issue(clientID),
			"token_type":   "bearer",
			"expires_in":   int(i.lifetime.Seconds()),
			"scope":        strings.Join(i.scopes, " "),
		})
	}
}

const badCredentials = "Bad client credentials" //nolint:gosec // a message

// writeTokenError writes an error of the token endpoint, which has the form of RFC 6749.
func writeTokenError(w http.ResponseWriter, status int, description string) {
	code := "invalid_request"
	if status == http.StatusUnauthorized {
		code = "invalid_client"
	}
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}

// tokenParameters reads the parameters of a token request from its query, its form and
// HTTP Basic. It fails if two values of a parameter differ.
func tokenParameters(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxJSON)
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxJSON)
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, refusal("The query or form can't be read.")
	}
	if id, secret, ok := r.BasicAuth(); ok { // each is form-encoded: RFC 6749, section 2.3.1
		for name, v := range map[string]string{"client_id": id, "client_secret": secret} {
			v, err := url.QueryUnescape(v)
			if err != nil {
				return nil, refusal("The credentials of HTTP Basic can't be decoded.")
			}
			r.Form.Add(name, v)
		}
	}
	p := map[string]string{}
	for _, name := range []string{"grant_type", "client_id", "client_secret"} {
		for _, v := range r.Form[name] {
			if p[name] != "" && v != p[name] {
				return nil, refusal(fmt.Sprintf("The %s is given twice, with different values.", name))
			}
			p[name] = v
		}
	}
	return p, nil
}

// issue returns a new token, a JWT.
func (i *issuer) issue(clientID string) string {
	now := time.Now()
	t := token{clientID: clientID, scopes: i.scopes, expires: now.Add(i.lifetime)}
	part := func(v any) string {
		data, _ := json.Marshal(v) // maps of strings and numbers
		return base64.RawURLEncoding.EncodeToString(data)
	}
	unsigned := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{
		"client_id": clientID, "scope": i.scopes, "org": "sandbox", "user_name": "sandbox",
		"iat": now.Unix(), "exp": t.expires.Unix(), "jti": rand.Text(),
	})
	raw := unsigned + "." + rand.Text() // tokens are looked up, so nobody checks a signature

	i.mu.Lock()
	defer i.mu.Unlock()
	for k, old := range i.tokens {
		if now.Sub(old.expires) > time.Hour {
			delete(i.tokens, k)
		}
	}
	i.tokens[raw] = t
	return raw
}

// check returns the token raw, or the reason to reject it.
func (i *issuer) check(raw string) (t token, problem string) {
	if raw == "" {
		return token{}, "JWT is missing"
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	t, ok := i.tokens[raw]
	if !ok {
		return token{}, "JWT is not valid"
	}
	if !time.Now().Before(t.expires) {
		return token{}, "JWT is expired"
	}
	return t, ""
}

// expire expires the token raw.
func (i *issuer) expire(raw string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if t, ok := i.tokens[raw]; ok {
		t.expires = time.Now()
		i.tokens[raw] = t
	}
}

func (i *issuer) expireAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for raw, t := range i.tokens {
		t.expires = time.Now()
		i.tokens[raw] = t
	}
}

// bearerToken returns the bearer token of a request, or "".
func bearerToken(r *http.Request) string {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return raw
}
