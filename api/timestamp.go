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

// layouts are the forms of a timestamp, with a "T" between date and time. If a layout has
// seconds, time.Parse also accepts a fraction.
var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04",
}

// ParseTimestamp parses a timestamp. Its error quotes at most the first 64 bytes of s.
func ParseTimestamp(s string) (Timestamp, error) {
	// time.Time.String adds a zone name and, for a time with a monotonic clock reading, that
	// reading: "2009-11-10 23:00:00 +0000 UTC m=+0.01".
	v, _, _ := strings.Cut(s, " m=")
	if f := strings.Fields(v); len(f) > 1 && len(f) < 5 {
		v = f[0] + "T" + strings.Join(f[1:min(3, len(f))], "")
	}
	for _, layout := range layouts {
		// Marshaling fails for an offset of a day or more, so parsing fails too.
		if t, err := time.Parse(layout, v); err == nil && offset(t) < 24*time.Hour {
			return Timestamp{t}, nil
		}
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
	var fast time.Time // parses RFC 3339 without an allocation
	if fast.UnmarshalJSON(data) == nil && offset(fast) < 24*time.Hour {
		t.Time = fast
		return nil
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
