// Package api has the types and the client that are generated from openapi.yaml. It is
// what package customizers is built on; most programs need only that one.
package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Timestamp is a point in time in any of the forms that the service is known to
// send: RFC 3339 with or without seconds, fraction or zone, with "T" or a space,
// and what Go's time.Time.String prints, which is the published example
// (2009-11-10 23:00:00 +0000 UTC). A time without a zone is taken as UTC.
//
// It is the Go type of every date-time of openapi.yaml.
type Timestamp struct {
	time.Time
}

// layoutOf is the one layout that v can have, which is a date, a "T" and a time.
// A fraction of a second is accepted by time.Parse wherever a layout has seconds.
func layoutOf(v string) string {
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

// ParseTimestamp reads s. Its error quotes s, cut when it is long.
func ParseTimestamp(s string) (Timestamp, error) {
	// time.Time.String ends with a zone name and, for times of this process, with
	// a reading of the monotonic clock: "2009-11-10 23:00:00 +0000 UTC m=+0.01".
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
	// An offset of a day or more can be parsed and not be written again.
	if t, err := time.Parse(layoutOf(v), v); err == nil && offsetOf(t) < 24*time.Hour {
		return Timestamp{t}, nil
	}
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return Timestamp{}, fmt.Errorf("%q is not a date in a known form, such as 2021-05-11T22:23:16Z", s)
}

// offsetOf is how far the zone of t is from UTC, in either direction.
func offsetOf(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(max(seconds, -seconds)) * time.Second
}

// UnmarshalJSON reads a JSON string by [ParseTimestamp]. A JSON null leaves t as it is.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if len(data) > len(`"2006-01-02`) && data[len(`"2006-01-02`)] == 'T' {
		var fast time.Time // RFC 3339 without an allocation
		if fast.UnmarshalJSON(data) == nil && offsetOf(fast) < 24*time.Hour {
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
