package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Setting is a value with its name and source. A flag has no Source.
type Setting struct{ Name, Source, Value string }

// String returns the name and the source. The value may be a secret.
func (s Setting) String() string {
	if s.Source == "" {
		return s.Name
	}
	return s.Name + " in " + s.Source
}

// Check returns an error if the value has characters that are invalid in a tenant, a client
// ID, a secret and a token. The error does not quote the value.
func (s Setting) Check() error {
	var fault string
	switch {
	case s.Value != strings.TrimSpace(s.Value):
		fault = "has leading or trailing white space"
	case strings.ContainsFunc(s.Value, unicode.IsSpace):
		fault = "contains white space"
	case strings.ContainsFunc(s.Value, func(r rune) bool { return r < ' ' || r > '~' }):
		fault = "has control or non-ASCII characters"
	default:
		return nil
	}
	return errors.New(s.String() + " " + fault)
}

// BaseURL returns a copy of a tenant's setting whose value is the URL of its API.
func (s Setting) BaseURL() (Setting, error) {
	if err := s.Check(); err != nil {
		return s, err
	}
	base, err := BaseURL(s.Value)
	if err != nil {
		return s, fmt.Errorf("%s: %w", s, err)
	}
	return Setting{s.Name, s.Source, base}, nil
}

// Text returns the text in data, without a byte order mark. It returns an error that begins
// with name if data is not UTF-8, for example if Windows PowerShell wrote it.
func Text(name string, data []byte) ([]byte, error) {
	nuls := bytes.Count(data, []byte{0})
	var fault string
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), nuls > 0 && nuls*3 >= len(data):
		fault = "is UTF-16"
	case nuls > 0:
		fault = "has NUL bytes"
	case !utf8.Valid(data):
		fault = "is not UTF-8"
	default:
		return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
	}
	return nil, fmt.Errorf("%s %s; save it as UTF-8", name, fault)
}
