package record_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/api"
	"github.com/connector-customizers/customizers/internal/record"
)

type kind string

// A row has a field of each type that a contract can give a flat record, and of some
// that make it less flat.
type row struct {
	ID      string            `json:"id,omitzero"`
	ImageID string            `json:"imageID,omitzero"`
	InUse   string            `json:"imageId,omitzero"`
	Number  int64             `json:"number,omitzero"`
	Created time.Time         `json:"created,omitzero"`
	Kind    kind              `json:"kind,omitzero"`
	Share   float64           `json:"share,omitzero"`
	Active  bool              `json:"active,omitzero"`
	Note    *string           `json:"note,omitzero"`
	Tags    []string          `json:"tags,omitzero"`
	Labels  map[string]string `json:"labels,omitzero"`
	Owner   struct {
		Name string `json:"name"`
	} `json:"owner,omitzero"`
	Any any `json:"any,omitzero"`
}

// A byStdlib is a row in the form that encoding/json reads it into.
type byStdlib struct {
	row

	Created api.Timestamp `json:"created,omitzero"`
}

func (s byStdlib) asRow() row {
	s.row.Created = s.Created.Time
	return s.row
}

var rows = record.New[row]()

// cases are records, and lists of them are made from these.
var cases = map[string]string{
	"empty":                        `{}`,
	"white space":                  " {\t\"id\"\r:\n\"a\" , \"number\" : 7 } ",
	"strings":                      `{"id":"a","imageID":"b","imageId":"c","kind":"d"}`,
	"in use after the specified":   `{"imageID":"b","imageId":"c"}`,
	"in another case":              `{"ID":"a","IMAGEID":"b","Created":"2021-05-11T22:23:16Z"}`,
	"a Kelvin sign for a k":        `{"\u212aind":"x"}`,
	"a long s, not escaped":        `{"ſhare":1}`,
	"an escaped key":               `{"\u0069d":"a"}`,
	"an escaped value":             `{"id":"\u00e9\n\"\\\/\ud83d\ude00"}`,
	"half a surrogate":             `{"id":"\ud83d"}`,
	"not ASCII":                    `{"id":"é😀","naïve":1}`,
	"not UTF-8":                    "{\"id\":\"a\xffb\",\"\xff\":1}",
	"a control character":          "{\"id\":\"a\x01b\"}",
	"a control character, skipped": "{\"x\":\"a\x01b\"}",
	"a wrong escape":               `{"id":"\x"}`,
	"a wrong escape, skipped":      `{"x":"\x"}`,
	"a wrong escape in a key":      `{"\x":1}`,
	"numbers":                      `{"number":-9223372036854775808,"share":1.5e-3}`,
	"minus zero":                   `{"number":-0}`,
	"a number too large":           `{"number":9223372036854775808}`,
	"a fraction for an integer":    `{"number":1.0}`,
	"an exponent for an integer":   `{"number":1e2}`,
	"zero":                         `{"number":0}`,
	"two zeros":                    `{"number":00}`,
	"an underscore":                `{"number":1_0}`,
	"a sign only":                  `{"number":-}`,
	"a number with a plus":         `{"number":+1}`,
	"a number with a zero":         `{"number":01}`,
	"a number for a string":        `{"id":1}`,
	"a string for a number":        `{"number":"1"}`,
	"an object for a string":       `{"id":{"a":1}}`,
	"true for a string":            `{"id":true}`,
	"null for each":                `{"id":null,"number":null,"created":null,"share":null,"active":null,"note":null,"tags":null,"owner":null,"any":null}`,
	"null after a value":           `{"id":"a","id":null,"created":"2021-05-11T22:23:16Z","created":null}`,
	"twice":                        `{"id":"a","id":"b","ID":"c","tags":["a","b"],"tags":["c"],"labels":{"a":"b"},"labels":{"c":"d"}}`,
	"wrong, then right":            `{"id":1,"id":"b"}`,
	"the other types":              `{"share":0.5,"active":true,"note":"n","tags":["a"],"labels":{"a":"b"},"owner":{"name":"o"},"any":[1,{"a":null}]}`,
	"skipped":                      `{"a":1,"b":"x\"}","c":[{"d":"]"},[]],"e":{"f":[{}]},"g":null,"id":"a"}`,
	"skipped, not valid":           `{"a":nul,"id":"a"}`,
	"skipped, crossed":             `{"a":[{]},"id":"a"}`,
	"created, published example":   `{"created":"2009-11-10 23:00:00 +0000 UTC"}`,
	"created, no zone":             `{"created":"2021-05-11T22:23"}`,
	"created, escaped":             `{"created":"2021-05-11T22:23:16\u005a"}`,
	"created, not a date":          `{"created":"yesterday"}`,
	"created, a number":            `{"created":1620771796}`,
	"created, empty":               `{"created":""}`,
	"no end":                       `{"id":"a"`,
	"no end of a string":           `{"id":"a`,
	"no end of an escape":          `{"id":"a\`,
	"no value":                     `{"id":}`,
	"no colon":                     `{"id" "a"}`,
	"no comma":                     `{"id":"a" "imageID":"b"}`,
	"a comma too many":             `{"id":"a",}`,
	"a comma before":               `{,"id":"a"}`,
	"two commas":                   `{"id":"a",,"imageID":"b"}`,
	"a key that is a number":       `{1:"a"}`,
	"a key that is missing":        `{:"a"}`,
	"a wrong end":                  `{"id":"a"]`,
	"null":                         `null`,
	"a word":                       `nil`,
	"a string":                     `"a"`,
	"a number":                     `1`,
	"a list":                       `[{}]`,
	"nothing":                      ``,
	"white space only":             ` `,
	"HTML":                         `<html>`,
	"more behind":                  `{} {}`,
	"a byte order mark":            "\ufeff{}",
}

// check compares what becomes of data, as a record and as a list, with what becomes of
// it by encoding/json.
func check(t *testing.T, data []byte) {
	t.Helper()
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > 9_000 {
		t.Skip("only encoding/json has a bound on the depth")
	}
	var one byStdlib
	wantErr := json.Unmarshal(data, &one)
	got, err := rows.One(data)
	require.Equal(t, wantErr == nil, err == nil, "%s\nencoding/json: %v\nrecord: %v", data, wantErr, err)
	if err == nil {
		require.Equal(t, one.asRow(), *got, "%s", data)
	}

	list := make([]byStdlib, 0, 2)
	wantErr = json.Unmarshal(data, &list)
	items, err := rows.List(data, 2)
	require.Equal(t, wantErr == nil, err == nil, "%s\nencoding/json: %v\nrecord: %v", data, wantErr, err)
	if err == nil {
		require.Equal(t, list == nil, items == nil, "%s", data)
		require.Len(t, items, len(list), "%s", data)
		for i := range list {
			require.Equal(t, list[i].asRow(), items[i], "%s", data)
		}
	}
}

func TestAgainstEncodingJSON(t *testing.T) {
	t.Parallel()
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, []byte(data))
			check(t, []byte("["+data+"]"))
			check(t, []byte(`[{"id":"a","tags":["x"]},`+data+` , {"id":"a"}]`))
			check(t, []byte("["+data+",]"))
			check(t, []byte("["+data+"] x"))
		})
	}
	t.Run("each cut", func(t *testing.T) {
		t.Parallel()
		const whole = ` [ {"id" : "a\u00e9\\", "x" : [ {"y":"z"} , null ] , "number":-12 , "note":null } , {} ] `
		for n := range len(whole) {
			check(t, []byte(whole[:n]))
			check(t, []byte(whole[n:]))
			check(t, []byte(whole[:n]+whole[n+1:]))
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, data := range cases {
		f.Add([]byte(data))
		f.Add([]byte("[" + data + `,{"id":"a","number":1,"created":"2021-05-11T22:23:16Z"}]`))
	}
	f.Fuzz(check)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ data, want string }{
		"field":             {`[{"id":"a"},{"id":"b","number":"x"}]`, "record 1: number: json: cannot unmarshal string into Go value of type int64"},
		"date":              {`[{"created":"yesterday"}]`, `record 0: created: "yesterday" is not a date`},
		"not a record":      {`[{}, 5]`, "record 1: json: cannot unmarshal number into Go value of type"},
		"not a list":        {`{"id":"a"}`, "json: cannot unmarshal object into Go value of type"},
		"syntax":            {`[{"id":"a",}]`, "invalid character '}' looking for beginning of object key string"},
		"cut":               {`[{"id":"a"},`, "unexpected end of JSON input"},
		"syntax goes first": {`[{"id":1}`, "unexpected end of JSON input"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items, err := rows.List([]byte(tt.data), 2)
			assert.ErrorContains(t, err, tt.want)
			assert.Nil(t, items)
		})
	}
}

// An embedded struct's fields are read as those of the record are.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	got, err := record.New[struct {
		row

		Also string `json:"also"`
	}]().One([]byte(`{"id":"a","also":"b"}`))
	require.NoError(t, err)
	assert.Equal(t, "a", got.ID)
	assert.Equal(t, "b", got.Also)
}

// What a list holds keeps nothing else alive, and what repeats is there once.
func TestStrings(t *testing.T) {
	t.Parallel()
	data := []byte(`[{"id":"a1","imageID":"same"},{"id":"a2","imageID":"same"},{"id":"a3"},{"id":"a4","imageID":"same"}]`)
	items, err := rows.List(data, 4)
	require.NoError(t, err)
	first := unsafe.StringData(items[0].ImageID)
	assert.Same(t, first, unsafe.StringData(items[1].ImageID))
	assert.Empty(t, items[2].ImageID)
	assert.Same(t, first, unsafe.StringData(items[3].ImageID))
	clear(data)
	assert.Equal(t, "a4", items[3].ID)
	assert.Equal(t, "same", items[3].ImageID)
}

func TestAllocations(t *testing.T) { // not parallel: it counts them
	const n = 250
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"id":"id-%d","imageID":"image-%d","x":"skipped","imageId":"same","number":%d,"created":"2021-05-11T22:23:16Z"}`, i, i, i))
	}
	data := []byte("[" + strings.Join(list, ",") + "]")
	count := testing.AllocsPerRun(20, func() {
		items, err := rows.List(data, n)
		assert.NoError(t, err)
		assert.Len(t, items, n)
	})
	t.Logf("%.0f allocations", count)
	assert.LessOrEqual(t, count, float64(2*n+5), "two strings a record, and the list")
}
