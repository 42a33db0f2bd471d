package instances

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/connector-customizers/customizers"
)

// A Log is an entry in the log of a connector instance: what its connector or its customizer
// logged, or what the platform says about a run.
type Log struct {
	Time       customizers.Timestamp `json:"timestamp"`
	Level      string                `json:"level"` // for example INFO, WARN or ERROR
	Event      string                `json:"event,omitzero"`
	Component  string                `json:"component,omitzero"`
	TargetID   string                `json:"targetID,omitzero"`   // not the ID of the instance
	TargetName string                `json:"targetName,omitzero"` // name of the instance
	RequestID  string                `json:"requestID,omitzero"`
	Message    json.RawMessage       `json:"message,omitzero"` // a string or any other JSON
}

// Text returns the message as text: a string without its quotes, anything else as JSON. Don't
// write it to a terminal as it is: the message may hold control characters.
func (l Log) Text() string {
	var text string
	if json.Unmarshal(l.Message, &text) == nil {
		return text
	}
	return string(l.Message)
}

// LogOptions select log entries.
type LogOptions struct {
	Since  time.Time // the zero time means an hour ago
	Until  time.Time // the zero time means no end
	Levels []string  // for example ERROR; empty means all
}

// Logs returns the log entries of the connector instance with the given name, in the order of
// the service, which sends the oldest first. An error ends the sequence. Logs needs the scope
// sp:connector:read, and [customizers.Client] retries its requests, which change nothing. If
// the tenant lacks the endpoint, the error does not match [customizers.ErrNotFound]. For an
// unknown name, the service has no entries.
func Logs(ctx context.Context, doer Doer, name string, opts LogOptions) iter.Seq2[Log, error] {
	return func(yield func(Log, error) bool) {
		if strings.TrimSpace(name) == "" {
			yield(Log{}, fmt.Errorf("%w: the instance's name is blank", customizers.ErrInvalidArgument))
			return
		}
		var query struct {
			Filter struct {
				StartTime  time.Time `json:"startTime"`
				EndTime    time.Time `json:"endTime,omitzero"`
				LogLevels  []string  `json:"logLevels,omitempty"`
				TargetName string    `json:"targetName"`
			} `json:"filter"`
			NextToken string `json:"nextToken"`
		}
		f := &query.Filter
		f.StartTime, f.EndTime, f.LogLevels, f.TargetName = opts.Since.UTC(), opts.Until.UTC(), opts.Levels, name
		if opts.Since.IsZero() {
			f.StartTime = time.Now().UTC().Add(-time.Hour)
		}
		sent := map[string]bool{"": true}
		for {
			body, err := json.Marshal(query)
			var page struct {
				Logs      json.RawMessage
				NextToken string
			}
			if err == nil {
				err = send(ctx, doer, http.MethodPost, "/beta/platform-logs/query", body, &page, func() error {
					if string(page.Logs) == "null" {
						page.Logs = json.RawMessage("[]")
					}
					for _, err := range elements[Log](page.Logs) {
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			if err != nil {
				yield(Log{}, noEndpoint("logs", err))
				return
			}
			found := false
			for l := range elements[Log](page.Logs) { //nolint:errcheck // checked above
				if found = true; !yield(l, nil) {
					return
				}
			}
			if !found || sent[page.NextToken] { // a service may repeat tokens
				return
			}
			sent[page.NextToken] = true
			query.NextToken = page.NextToken
		}
	}
}
