package customizers

import (
	"context"
	"encoding/base64"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/internal/transport"
)

const (
	minSecret    = 4 // bytes; removing a shorter secret would garble texts
	recentTokens = 8
)

// A redactor removes a client's secrets from texts: the client secret, the base64 forms of it
// and of id:secret, and the access tokens that the client got last. It finds them as they are,
// and with JSON escapes, percent-encoding or HTML entities, also nested ones.
type redactor struct {
	mu     sync.Mutex
	fixed  []*string // pointers, so that printing a Client shows none
	tokens []*string // the latest one last
}

func newRedactor(clientID, clientSecret string) *redactor {
	r := new(redactor)
	r.fixed = appendSecret(r.fixed, clientSecret)
	if clientSecret == "" {
		return r
	}
	for _, text := range []string{clientID + ":" + clientSecret, clientSecret} {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			r.fixed = appendSecret(r.fixed, encoding.EncodeToString([]byte(text)))
		}
	}
	return r
}

// appendSecret appends a secret, and the form of it that unescape leaves of any escaped form.
func appendSecret(secrets []*string, secret string) []*string {
	for _, s := range []string{secret, unescape(secret)} {
		if len(s) >= minSecret && !slices.ContainsFunc(secrets, func(known *string) bool { return *known == s }) {
			secrets = append(secrets, &s)
		}
	}
	return secrets
}

// watch returns a fetcher that adds the tokens of fetch.
func (r *redactor) watch(fetch transport.TokenFetcher) transport.TokenFetcher {
	return func(ctx context.Context, h transport.Handler) (*oauth2.Token, error) {
		token, err := fetch(ctx, h)
		if token != nil {
			r.addToken(token.AccessToken)
		}
		return token, err
	}
}

// addToken adds an access token.
func (r *redactor) addToken(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens = appendSecret(r.tokens, token)
	r.tokens = slices.Clone(r.tokens[max(0, len(r.tokens)-recentTokens):]) // redact may use the old array
}

// redact returns text with [redacted] in place of each secret. If one is escaped, the rest of
// text is unescaped too. It takes time in proportion to the length of text.
func (r *redactor) redact(text string) string {
	r.mu.Lock()
	secrets := slices.Concat(r.fixed, r.tokens)
	r.mu.Unlock()
	remove := func(text string) string {
		for _, s := range secrets {
			text = strings.ReplaceAll(text, *s, "[redacted]")
		}
		return text
	}
	text = remove(text)
	unescaped := unescape(text)
	if clean := remove(unescaped); clean != unescaped {
		return clean
	}
	return text
}

// clean returns text without secrets and then shortened, in that order: a secret across the
// end would not be found.
func (r *redactor) clean(text string) string { return truncate(r.redact(text)) }

var escapes = regexp.MustCompile(`%[0-7][[:xdigit:]]|\\u00[0-7][[:xdigit:]]|\\["\\/]`)

// unescape undoes JSON escapes and percent-encoding of ASCII characters and HTML entities, up
// to three layers of them.
func unescape(text string) string {
	for range 3 {
		if !strings.ContainsAny(text, `\%&`) {
			break
		}
		text = escapes.ReplaceAllStringFunc(html.UnescapeString(text), func(s string) string {
			if code, err := strconv.ParseUint(strings.TrimLeft(s, `%\u`), 16, 8); err == nil {
				return string(rune(code))
			}
			return s[1:]
		})
	}
	return text
}
