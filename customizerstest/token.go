package customizerstest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An issuer issues access tokens and knows those that are good.
type issuer struct {
	lifetime time.Duration
	scopes   []string
	key      []byte

	mu     sync.Mutex
	tokens map[string]token
}

type token struct {
	clientID string
	scopes   []string
	expires  time.Time
}

func newIssuer(lifetime time.Duration, scopes []string) *issuer {
	return &issuer{lifetime: lifetime, scopes: scopes, key: []byte(rand.Text()), tokens: map[string]token{}}
}

// serveToken is POST /oauth/token.
func (i *issuer) serveToken(w http.ResponseWriter, r *http.Request, clientID, clientSecret string) {
	refuse := func(status int, code, description string) {
		writeJSON(w, status, map[string]string{"error": code, "error_description": description})
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxJSON)
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request", "The form can't be read.")
		return
	}
	if grant := r.PostForm.Get("grant_type"); grant != "client_credentials" {
		refuse(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: "+grant)
		return
	}
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	if !same(r.PostForm.Get("client_id"), clientID) || !same(r.PostForm.Get("client_secret"), clientSecret) {
		refuse(http.StatusUnauthorized, "invalid_client", "Bad client credentials")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": i.issue(clientID),
		"token_type":   "bearer",
		"expires_in":   int(i.lifetime.Seconds()),
		"scope":        strings.Join(i.scopes, " "),
	})
}

// issue makes a token in the form of a JWT.
func (i *issuer) issue(clientID string) string {
	now := time.Now()
	t := token{clientID: clientID, scopes: i.scopes, expires: now.Add(i.lifetime)}
	part := func(v any) string {
		data, _ := json.Marshal(v) // maps of strings and numbers
		return base64.RawURLEncoding.EncodeToString(data)
	}
	signed := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{
		"client_id": clientID, "scope": i.scopes, "org": "sandbox",
		"iat": now.Unix(), "exp": t.expires.Unix(), "jti": rand.Text(),
	})
	mac := hmac.New(sha256.New, i.key)
	mac.Write([]byte(signed))
	raw := signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))

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

// check returns the token, or what is wrong with it.
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

// bearer is the token of a request.
func bearer(r *http.Request) string {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return raw
}
