package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/api"
)

func TestTimestamp(t *testing.T) {
	t.Parallel()
	utc := time.Date(2009, 11, 10, 23, 0, 0, 0, time.UTC)
	minute := time.Date(2021, 5, 11, 22, 23, 0, 0, time.UTC)
	second := minute.Add(16 * time.Second)
	tests := map[string]struct {
		in   string
		want time.Time
	}{
		"RFC 3339":                        {"2021-05-11T22:23:16Z", second},
		"RFC 3339, fraction":              {"2021-05-11T22:23:16.123Z", second.Add(123 * time.Millisecond)},
		"RFC 3339, nanoseconds":           {"2021-05-11T22:23:16.123456789Z", second.Add(123456789)},
		"RFC 3339, offset":                {"2021-05-12T00:23:16+02:00", second},
		"RFC 3339, fraction and offset":   {"2021-05-11T16:53:16.5-05:30", second.Add(500 * time.Millisecond)},
		"T, offset without a colon":       {"2021-05-12T00:23:16+0200", second},
		"T, no zone":                      {"2021-05-11T22:23:16", second},
		"T, fraction, no zone":            {"2021-05-11T22:23:16.25", second.Add(250 * time.Millisecond)},
		"T, no seconds":                   {"2021-05-11T22:23Z", minute},
		"T, no seconds, offset":           {"2021-05-12T00:23+02:00", minute},
		"T, no seconds, offset, no colon": {"2021-05-12T00:23+0200", minute},
		"T, no seconds, no zone":          {"2021-05-11T22:23", minute},
		"space":                           {"2021-05-11 22:23:16Z", second},
		"space, fraction":                 {"2021-05-11 22:23:16.123Z", second.Add(123 * time.Millisecond)},
		"space, no zone":                  {"2021-05-11 22:23:16", second},
		"space, offset without a colon":   {"2021-05-12 00:23:16+0200", second},
		"space, offset":                   {"2021-05-12 00:23:16+02:00", second},
		"space, fraction, offset apart":   {"2021-05-12 00:23:16.5 +02:00", second.Add(500 * time.Millisecond)},
		"space, no seconds":               {"2021-05-11 22:23Z", minute},
		"space, no seconds, offset":       {"2021-05-12 00:23+02:00", minute},
		"space, no seconds, no zone":      {"2021-05-11 22:23", minute},
		"the published example":           {"2009-11-10 23:00:00 +0000 UTC", utc},
		"String, fraction":                {"2009-11-10 23:00:00.123456789 +0000 UTC", utc.Add(123456789)},
		"String, named zone east":         {"2009-11-11 00:00:00 +0100 CET", utc},
		"String, named zone west":         {"2009-11-10 18:00:00 -0500 EST", utc},
		"String, zone without a name":     {"2009-11-11 01:00:00 +0200 +0200", utc},
		"String, short zone name":         {"2009-11-10 20:00:00 -0300 -03", utc},
		"String, monotonic clock":         {"2009-11-10 23:00:00 +0000 UTC m=+0.000012345", utc},
		"String, monotonic clock, zone":   {"2009-11-11 00:00:00.5 +0100 CET m=-3.5", utc.Add(500 * time.Millisecond)},
		"String, no zone name":            {"2009-11-10 23:00:00 +0000", utc},
		"leap day":                        {"2024-02-29T00:00:00Z", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := api.ParseTimestamp(tt.in)
			require.NoError(t, err)
			assert.WithinDuration(t, tt.want, parsed.Time, 0)

			var read struct{ Created api.Timestamp }
			require.NoError(t, json.Unmarshal([]byte(`{"Created":"`+tt.in+`"}`), &read))
			assert.WithinDuration(t, tt.want, read.Created.Time, 0)

			data, err := json.Marshal(read)
			require.NoError(t, err)
			var again struct{ Created api.Timestamp }
			require.NoError(t, json.Unmarshal(data, &again))
			assert.WithinDuration(t, tt.want, again.Created.Time, 0)
		})
	}
}

func TestTimestampParsesTimeString(t *testing.T) {
	t.Parallel()
	for _, loc := range []*time.Location{
		time.UTC, time.FixedZone("CEST", 2*3600), time.FixedZone("", -9*3600-1800), time.FixedZone("NPT", 5*3600+45*60),
	} {
		at := time.Date(2024, 7, 1, 12, 34, 56, 789_000_000, loc)
		got, err := api.ParseTimestamp(at.String())
		require.NoError(t, err, at.String())
		assert.WithinDuration(t, at, got.Time, 0, at.String())
	}
	now := time.Now() // its String has a monotonic clock reading
	require.Contains(t, now.String(), " m=")
	got, err := api.ParseTimestamp(now.String())
	require.NoError(t, err)
	assert.WithinDuration(t, now, got.Time, 0)
}

func TestTimestampErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"empty":              {`""`, `""`},
		"blank":              {`" "`, `" "`},
		"number":             {`1620771796`, `1620771796`},
		"fraction":           {`1.5e9`, `1.5e9`},
		"bool":               {`true`, `true`},
		"object":             {`{"seconds":1}`, `{"seconds":1}`},
		"array":              {`["2021-05-11T22:23:16Z"]`, `["2021-05-11T22:23:16Z"]`},
		"garbage":            {`"yesterday"`, `"yesterday"`},
		"null in quotes":     {`"null"`, `"null"`},
		"seconds in quotes":  {`"1620771796"`, `"1620771796"`},
		"date only":          {`"2021-05-11"`, `"2021-05-11"`},
		"time only":          {`"22:23:16"`, `"22:23:16"`},
		"no such day":        {`"2021-02-29T00:00:00Z"`, `"2021-02-29T00:00:00Z"`},
		"no such month":      {`"2021-13-01 00:00:00 +0000 UTC"`, `"2021-13-01 00:00:00 +0000 UTC"`},
		"no such hour":       {`"2021-05-11T25:00:00Z"`, `"2021-05-11T25:00:00Z"`},
		"no such minute":     {`"2021-05-11 22:60"`, `"2021-05-11 22:60"`},
		"zone name only":     {`"2021-05-11 22:23:16 CET"`, `CET`},
		"text after":         {`"2021-05-11T22:23:16Z or so"`, `or so`},
		"offset of a day":    {`"2021-05-11T22:23:16+24:00"`, `+24:00`},
		"five parts":         {`"2009-11-10 23:00:00 +0000 UTC UTC"`, `UTC UTC`},
		"day and month swap": {`"11/05/2021 22:23:16"`, `11/05/2021`},
		"HTML":               {`"<html>"`, `"<html>"`},
		"very long":          {`"` + strings.Repeat("2021-05-11T22:23:16Z", 50_000) + `"`, `2021-05-11T22:23:16Z2021`},
		"long":               {`"` + strings.Repeat("x", 1000) + `"`, `xxx`},
		"very long, not ASCII": {
			`"` + strings.Repeat("é", 50_000) + `"`, `é`,
		},
		"very long number": {strings.Repeat("9", 100_000), "99999"},
		"very long object": {`{"a":"` + strings.Repeat("x", 100_000) + `"}`, `{"a":"x`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ts api.Timestamp
			err := json.Unmarshal([]byte(tt.in), &ts)
			require.Error(t, err)
			assert.Contains(t, err.Error(), "date")
			assert.Contains(t, err.Error(), tt.want)
			assert.Less(t, len(err.Error()), 400)
			assert.True(t, ts.IsZero())
		})
	}
}

func TestTimestampNull(t *testing.T) {
	t.Parallel()
	var ts api.Timestamp
	require.NoError(t, json.Unmarshal([]byte("null"), &ts))
	assert.True(t, ts.IsZero())

	at := time.Date(2021, 5, 11, 22, 23, 16, 0, time.UTC)
	ts = api.Timestamp{Time: at}
	require.NoError(t, ts.UnmarshalJSON([]byte("null")))
	assert.Equal(t, at, ts.Time, "null is a no-op, by the convention of encoding/json")

	var pointed struct{ Created *api.Timestamp }
	require.NoError(t, json.Unmarshal([]byte(`{"Created":null}`), &pointed))
	assert.Nil(t, pointed.Created)

	var absent struct{ Created api.Timestamp }
	require.NoError(t, json.Unmarshal([]byte(`{}`), &absent))
	assert.True(t, absent.Created.IsZero())
}

func TestTimestampMarshalsAsRFC3339(t *testing.T) {
	t.Parallel()
	ts, err := api.ParseTimestamp("2009-11-11 00:00:00.5 +0100 CET")
	require.NoError(t, err)
	data, err := json.Marshal(ts)
	require.NoError(t, err)
	assert.JSONEq(t, `"2009-11-11T00:00:00.5+01:00"`, string(data))
}

func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{
		`"2021-05-11T22:23:16Z"`, `"2021-05-11T22:23:16.123456789+02:00"`, `"2021-05-11 22:23"`,
		`"2021-05-11T22:23+0200"`, `"2009-11-10 23:00:00 +0000 UTC"`, `"2009-11-10 23:00:00 +0200 +0200"`,
		`"2009-11-10 23:00:00 +0000 UTC m=+0.01"`, `" m="`, `"a b c d e"`, `"0001-01-01T00:00:00Z"`,
		`"0000-12-31 23:00:00 -0100"`, `"9999-12-31T23:59:59.999999999-23:59"`, `"2021-02-30T00:00:00Z"`,
		`""`, `null`, `true`, `0`, `{}`, `[]`, `"`, ``, `"\u0000"`, "\"\xff\"", `"2021-05-11T22:23:16,5Z"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ts api.Timestamp
		err := json.Unmarshal(data, &ts)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		if strings.TrimSpace(string(data)) == "null" {
			return
		}
		if ts.IsZero() && ts.Year() > 1 {
			t.Fatalf("%s: no error for a zero time", data)
		}
		again, err := json.Marshal(ts)
		if err != nil {
			t.Fatalf("%s: can't marshal %v: %v", data, ts, err)
		}
		var back api.Timestamp
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatalf("%s: can't unmarshal %s: %v", data, again, err)
		}
		if !back.Equal(ts.Time) {
			t.Fatalf("%s: %v became %v", data, ts, back)
		}
	})
}
