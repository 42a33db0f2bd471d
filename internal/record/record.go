// Package record reads the JSON of the service's records, which are flat and come by
// the page. It accepts and gives what encoding/json does, but for a [time.Time], which
// is read as [api.Timestamp] is.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/connector-customizers/customizers/api"
)

// A Decoder reads records of the type T, a struct with JSON tags. Its zero value is not
// ready; see [New]. It may be used by any number of goroutines.
type Decoder[T any] struct{ fields []field }

type field struct {
	name  []byte // in JSON
	index []int  // see [reflect.Value.FieldByIndex]
}

// New returns a decoder of T.
func New[T any]() Decoder[T] {
	var d Decoder[T]
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			d.fields = append(d.fields, field{[]byte(name), f.Index})
		}
	}
	return d
}

// One reads a record. JSON null is a record without anything.
func (d Decoder[T]) One(data []byte) (*T, error) {
	c := cursor{data: data}
	out := new(T)
	err := d.read(&c, out, make([]string, len(d.fields)))
	if err = c.end(err); err != nil {
		return nil, err
	}
	return out, nil
}

// List reads a list of about n records. JSON null gives nil.
func (d Decoder[T]) List(data []byte, n int) ([]T, error) {
	c := cursor{data: data}
	list, err := d.list(&c, n)
	if err = c.end(err); err != nil {
		return nil, err
	}
	return list, nil
}

func (d Decoder[T]) list(c *cursor, n int) ([]T, error) {
	if !c.into('[') {
		var list []T
		value, _ := c.value()
		return nil, json.Unmarshal(value, &list) // null, or an error
	}
	list := make([]T, 0, n)
	last := make([]string, len(d.fields))
	for {
		if more, err := c.more(len(list), ']'); !more {
			return list, err
		}
		var zero T
		list = append(list, zero)
		if err := d.read(c, &list[len(list)-1], last); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(list)-1, err)
		}
	}
}

// read reads the record that is next into out, which is zero. It keeps the last value
// of each string, as some are the same in every record.
func (d Decoder[T]) read(c *cursor, out *T, last []string) error {
	if !c.into('{') {
		value, _ := c.value()
		return json.Unmarshal(value, out) // null, or an error
	}
	v := reflect.ValueOf(out).Elem()
	for n := 0; ; n++ {
		if more, err := c.more(n, '}'); !more {
			return err
		}
		i, err := d.key(c)
		if err != nil {
			return err
		}
		value, plain := c.value()
		if i < 0 {
			if !plain && !json.Valid(value) {
				return errSyntax
			}
			continue
		}
		if err := set(v.FieldByIndex(d.fields[i].index).Addr().Interface(), value, plain, &last[i]); err != nil {
			return fmt.Errorf("%s: %w", d.fields[i].name, err)
		}
	}
}

// key reads a key and the colon behind it. It returns which field the key names,
// exactly or else in any case, or -1.
func (d Decoder[T]) key(c *cursor) (int, error) {
	key, plain := c.value()
	if plain {
		key = key[1 : len(key)-1]
	} else {
		var s string
		if len(key) == 0 || key[0] != '"' || json.Unmarshal(key, &s) != nil {
			return 0, errSyntax
		}
		key = []byte(s)
	}
	if !c.into(':') {
		return 0, errSyntax
	}
	for i, f := range d.fields {
		if bytes.Equal(key, f.name) {
			return i, nil
		}
	}
	for i, f := range d.fields {
		if bytes.EqualFold(key, f.name) {
			return i, nil
		}
	}
	return -1, nil
}

// set sets what p points to. What is rare is left to encoding/json: escapes, null, zero
// and less, other types, and errors.
func set(p any, value []byte, plain bool, last *string) error {
	switch p := p.(type) {
	case *string:
		if plain {
			if s := value[1 : len(value)-1]; *last != string(s) {
				*last = string(s)
			}
			*p = *last
			return nil
		}
	case *int64:
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && '1' <= value[0] && value[0] <= '9' {
			*p = n
			return nil
		}
	case *time.Time:
		t := api.Timestamp{Time: *p}
		err := t.UnmarshalJSON(value)
		*p = t.Time
		return err
	}
	return json.Unmarshal(value, p)
}
