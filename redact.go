package customizers

import (
	"context"
	"encoding/base64"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/internal/transport"
)

const (
	redacted     = "[redacted]"
	minSecret    = 4 // bytes; removing a shorter secret would garble texts
	recentTokens = 8
)

// A redactor removes a client's secrets from texts: the client secret, the base64 forms of it
// and of id:secret, and the access tokens that the client got last. It finds them as they are,
// and with JSON escapes, percent-encoding or HTML entities, also nested ones.
type redactor struct {
	mu      sync.Mutex
	fixed   []*secret // pointers, so that printing a Client shows none
	current []*secret // access tokens, the latest one last
}

// A secret has the text of a secret, and that text unescaped.
type secret struct{ text, unescaped string }

func newRedactor(clientID, clientSecret string) *redactor {
	r := new(redactor)
	r.fixed = appendSecret(r.fixed, clientSecret)
	if clientSecret != "" {
		for _, text := range []string{clientID + ":" + clientSecret, clientSecret} {
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				r.fixed = appendSecret(r.fixed, encoding.EncodeToString([]byte(text)))
			}
		}
	}
	return r
}

func appendSecret(secrets []*secret, text string) []*secret {
	if len(text) < minSecret {
		return secrets
	}
	unescaped, _ := unescape(text)
	if len(unescaped) < minSecret {
		unescaped = text
	}
	return append(secrets, &secret{text, unescaped})
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
	if slices.ContainsFunc(r.current, func(s *secret) bool { return s.text == token }) {
		return
	}
	r.current = appendSecret(r.current, token)
	if extra := len(r.current) - recentTokens; extra > 0 {
		r.current = slices.Clone(r.current[extra:]) // a new array, because redact may use the old one
	}
}

// redact returns text with [redacted] in place of each secret. It takes time in proportion to
// the length of text.
func (r *redactor) redact(text string) string {
	if len(text) < minSecret {
		return text
	}
	r.mu.Lock()
	fixed, current := r.fixed, r.current
	r.mu.Unlock()
	unescaped, at := unescape(text)
	var hidden []bool // the bytes of text that belong to a secret
	for _, s := range slices.Concat(fixed, current) {
		search := func(in, part string, offset func(int) int) {
			for from := 0; ; from += len(part) {
				i := strings.Index(in[from:], part)
				if i < 0 {
					return
				}
				from += i
				if hidden == nil {
					hidden = make([]bool, len(text))
				}
				for j := offset(from); j < offset(from+len(part)); j++ {
					hidden[j] = true
				}
			}
		}
		search(text, s.text, func(i int) int { return i })
		if at != nil {
			search(unescaped, s.unescaped, func(i int) int { return at[i] })
		}
	}
	if hidden == nil {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.String()
}

// clean returns text without secrets and then shortened, in that order: a secret across the
// end would not be found.
func (r *redactor) clean(text string) string { return truncate(r.redact(text)) }

// response returns resp with the parts that errors quote, without secrets.
func (r *redactor) response(resp *transport.Response) *transport.Response {
	if resp == nil {
		return nil
	}
	header := http.Header{}
	for _, name := range []string{"Content-Type", "Location", requestIDHeader} {
		header.Set(name, r.redact(resp.Header.Get(name)))
	}
	data := resp.Data[:min(len(resp.Data), transport.MaxErrorBody)]
	return &transport.Response{
		Response: &http.Response{StatusCode: resp.StatusCode, Header: header},
		Data:     []byte(r.redact(string(data))),
	}
}

// unescape undoes JSON escapes, percent-encoding and HTML entities of ASCII characters, up to
// three layers of them. at[i] is where byte i of the result, or its end, is in text; at is nil
// if nothing is escaped.
func unescape(text string) (unescaped string, at []int) {
	for range 3 {
		if !strings.ContainsAny(text, `\%&`) {
			break
		}
		out, positions := make([]byte, 0, len(text)), make([]int, 0, len(text)+1)
		for i := 0; i < len(text); {
			c, n := unescapeOne(text[i:])
			out, positions = append(out, c), append(positions, i)
			i += n
		}
		positions = append(positions, len(text))
		for i, p := range positions {
			if at != nil {
				positions[i] = at[p]
			}
		}
		text, at = string(out), positions
	}
	return text, at
}

// unescapeOne returns the first character of s, and how many bytes of s stand for it.
func unescapeOne(s string) (c byte, n int) {
	hex := func(prefix string, digits int) bool {
		n = len(prefix) + digits
		if len(s) < n || !strings.HasPrefix(s, prefix) {
			return false
		}
		v, err := strconv.ParseUint(s[len(prefix):n], 16, 16)
		c = byte(v)
		return err == nil && v <= '~'
	}
	switch {
	case hex("%", 2), hex(`\u`, 4):
		return c, n
	case len(s) > 1 && s[0] == '\\' && strings.IndexByte(`"\/`, s[1]) >= 0:
		return s[1], 2
	case s[0] == '&':
		if end := strings.IndexByte(s[:min(len(s), 12)], ';'); end > 0 {
			if entity := html.UnescapeString(s[:end+1]); len(entity) == 1 {
				return entity[0], end + 1
			}
		}
	}
	return s[0], 1
}
