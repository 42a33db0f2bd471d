package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// errSyntax stands for what encoding/json says of the whole: see [cursor.end].
var errSyntax = errors.New("the JSON is not valid")

// A cursor goes over JSON. It checks what is between values; a value that is not plain
// is to be checked by who takes it.
type cursor struct {
	data []byte
	at   int
}

// end returns the error of what was read, which is err unless the JSON is not valid.
func (c *cursor) end(err error) error {
	if c.space(); err == nil && c.at == len(c.data) {
		return nil
	}
	if syntax := json.Unmarshal(c.data, new(json.RawMessage)); syntax != nil {
		return syntax
	}
	return err
}

func (c *cursor) space() {
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return
		}
	}
}

// into steps over the byte b if it is next.
func (c *cursor) into(b byte) bool {
	c.space()
	if c.at == len(c.data) || c.data[c.at] != b {
		return false
	}
	c.at++
	return true
}

// more tells whether an object or a list goes on behind its first n members, and steps
// over the comma or the end.
func (c *cursor) more(n int, end byte) (bool, error) {
	switch {
	case c.into(end):
		return false, nil
	case n > 0 && !c.into(','):
		return false, errSyntax
	}
	return true, nil
}

// value steps over the value that is next and returns it. A plain one is a string that
// has no escapes, and is valid.
func (c *cursor) value() (value []byte, plain bool) {
	c.space()
	from := c.at
	switch {
	case c.at == len(c.data):
	case c.data[c.at] == '"':
		plain = c.quoted()
	case c.data[c.at] == '{', c.data[c.at] == '[':
		c.nested()
	default:
		c.literal()
	}
	return c.data[from:c.at], plain
}

// quoted steps over a string and tells whether it is plain.
func (c *cursor) quoted() bool {
	plain, ascii := true, true
	from := c.at
	for c.at++; c.at < len(c.data); c.at++ {
		switch b := c.data[c.at]; {
		case b == '"':
			c.at++
			return plain && (ascii || utf8.Valid(c.data[from:c.at]))
		case b == '\\':
			c.at++
			plain = false
		case b < ' ':
			plain = false
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	c.at = len(c.data) // an escape may have gone beyond
	return false
}

// nested steps over an object or a list.
func (c *cursor) nested() {
	for depth := 0; c.at < len(c.data); {
		switch c.data[c.at] {
		case '"':
			c.quoted()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if c.at++; depth == 0 {
			return
		}
	}
}

// literal steps over a number, true, false or null.
func (c *cursor) literal() {
	if n := bytes.IndexAny(c.data[c.at:], ",]} \t\r\n"); n >= 0 {
		c.at += n
	} else {
		c.at = len(c.data)
	}
}
