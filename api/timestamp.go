package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Timestamp is a point in time. It reads each form that the service is known to send:
//   - RFC 3339, with or without seconds, fraction or zone, with "T" or a space
//   - the form of Go's time.Time.String, as in the published example
//     (2009-11-10 23:00:00 +0000 UTC)
//
// A time without a zone is in UTC. Timestamp is the Go type of each date-time in openapi.yaml.
type Timestamp struct {
	time.Time
}

// layoutFor returns the layout for v, a date, a "T" and a time. If a layout has seconds,
// time.Parse also accepts a fraction.
func layoutFor(v string) string {
	zone := len(v)
	if i := strings.IndexAny(v[min(len(v), len("2006-01-02T")):], "Z+-"); i >= 0 {
		zone = len("2006-01-02T") + i
	}
	seconds := strings.Count(v[:zone], ":") > 1
	switch colon := strings.Contains(v[zone:], ":"); {
	case zone == len(v) && seconds:
		return "2006-01-02T15:04:05"
	case zone == len(v):
		return "2006-01-02T15:04"
	case colon && seconds:
		return "2006-01-02T15:04:05Z07:00"
	case colon:
		return "2006-01-02T15:04Z07:00"
	case seconds:
		return "2006-01-02T15:04:05Z0700"
	}
	return "2006-01-02T15:04Z0700"
}

// ParseTimestamp parses a timestamp. Its error quotes at most the first 64 bytes of s.
func ParseTimestamp(s string) (Timestamp, error) {
	// time.Time.String adds a zone name and, for a time with a monotonic clock reading, that
	// reading: "2009-11-10 23:00:00 +0000 UTC m=+0.01".
	v, _, _ := strings.Cut(s, " m=")
	if f := strings.Fields(v); len(f) > 1 {
		v = f[0] + "T" + f[1]
		if len(f) > 2 {
			v += f[2]
		}
		if len(f) > 4 {
			v = s
		}
	}
	// Marshaling fails for an offset of a day or more, so parsing fails too.
	if t, err := time.Parse(layoutFor(v), v); err == nil && offset(t) < 24*time.Hour {
		return Timestamp{t}, nil
	}
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return Timestamp{}, fmt.Errorf("%q is not a date in a known form, for example 2021-05-11T22:23:16Z", s)
}

// offset returns the absolute offset of t from UTC.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(max(seconds, -seconds)) * time.Second
}

// UnmarshalJSON parses a JSON string like [ParseTimestamp]. A JSON null does not change t.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if len(data) > len(`"2006-01-02`) && data[len(`"2006-01-02`)] == 'T' {
		var fast time.Time // parses RFC 3339 without an allocation
		if fast.UnmarshalJSON(data) == nil && offset(fast) < 24*time.Hour {
			t.Time = fast
			return nil
		}
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("a date must be a JSON string, not %.64s", data)
	}
	parsed, err := ParseTimestamp(s)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}
