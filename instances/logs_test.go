package instances_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

const queryLogs = "POST /beta/platform-logs/query application/json "

// collect returns the text of each log entry, and the error that ends them.
func collect(t *testing.T, d instances.Doer, name string, opts instances.LogOptions) (texts []string, err error) {
	t.Helper()
	for l, logErr := range instances.Logs(t.Context(), d, name, opts) {
		if logErr != nil {
			err = logErr
			continue
		}
		texts = append(texts, l.Level+" "+l.Text())
	}
	return texts, err
}

func TestLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, doer := serve(t, customizerstest.WithoutSocket())
		for _, id := range []string{one, two} {
			_, err := instances.Link(t.Context(), doer, id, a)
			require.NoError(t, err)
			<-time.After(time.Minute)
		}
		for range 120 {
			_, err := srv.Client().CreateVersion(t.Context(), two, nil)
			require.NoError(t, err)
		}
		now, zone := time.Now(), time.FixedZone("", 3600)
		linked := []string{"WARN Linked to one, which has no version to run.", "WARN Linked to two, which has no version to run."}
		filter := func(since time.Duration, rest string) string {
			return `{"filter":{"startTime":"` + now.Add(-since).UTC().Format(time.RFC3339Nano) + `",` + rest
		}
		for name, tt := range map[string]struct {
			opts instances.LogOptions
			want []string // the first entries
			n    int
			sent []string
		}{
			"all": {instances.LogOptions{}, linked, 122, []string{
				filter(time.Hour, `"targetName":"a"},"nextToken":""}`), filter(time.Hour, `"targetName":"a"},"nextToken":"100"}`), filter(time.Hour, `"targetName":"a"},"nextToken":"122"}`),
			}},
			"since": {instances.LogOptions{Since: now.Add(-time.Minute).In(zone)}, linked[1:], 121, []string{
				filter(time.Minute, `"targetName":"a"},"nextToken":""}`), filter(time.Minute, `"targetName":"a"},"nextToken":"101"}`), filter(time.Minute, `"targetName":"a"},"nextToken":"122"}`),
			}},
			"until": {instances.LogOptions{Until: now.Add(-90 * time.Second)}, linked[:1], 1, []string{
				filter(time.Hour, `"endTime":"`+now.Add(-90*time.Second).UTC().Format(time.RFC3339Nano)+`","targetName":"a"},"nextToken":""}`),
				filter(time.Hour, `"endTime":"`+now.Add(-90*time.Second).UTC().Format(time.RFC3339Nano)+`","targetName":"a"},"nextToken":"122"}`),
			}},
			"levels": {instances.LogOptions{Levels: []string{"ERROR", "WARN"}}, linked, 2, []string{
				filter(time.Hour, `"logLevels":["ERROR","WARN"],"targetName":"a"},"nextToken":""}`), filter(time.Hour, `"logLevels":["ERROR","WARN"],"targetName":"a"},"nextToken":"122"}`),
			}},
			"none": {instances.LogOptions{Levels: []string{"FATAL"}}, nil, 0, []string{
				filter(time.Hour, `"logLevels":["FATAL"],"targetName":"a"},"nextToken":""}`),
			}},
		} {
			doer.sent = nil
			texts, err := collect(t, doer, "a", tt.opts)
			require.NoError(t, err, name)
			require.Len(t, texts, tt.n, name)
			assert.Equal(t, tt.want, slices.Clip(texts[:len(tt.want)]), name)
			for i := range tt.sent {
				tt.sent[i] = queryLogs + tt.sent[i]
			}
			assert.Equal(t, tt.sent, doer.sent, name)
		}

		// A caller can stop, and the sequence is read anew each time.
		doer.sent = nil
		logs := instances.Logs(t.Context(), doer, "a", instances.LogOptions{})
		for range 2 {
			for l, err := range logs {
				require.NoError(t, err)
				assert.Equal(t, "a", l.TargetName)
				break
			}
		}
		assert.Len(t, doer.sent, 2)
	})
}

// Forms of a response that the service may have.
func TestLogsResponses(t *testing.T) {
	t.Parallel()
	const entry = `{"timestamp":"2026-11-28 15:00:00.123 +0000 UTC","level":"INFO","message":`
	for name, tt := range map[string]struct {
		body string
		want []string
		says string // of the error
	}{
		"no token":               {`{"logs":[` + entry + `"a"}]}`, []string{"INFO a"}, ""},
		"a null token":           {`{"logs":[` + entry + `"a"}],"nextToken":null}`, []string{"INFO a"}, ""},
		"no entries":             {`{"logs":[],"nextToken":"x"}`, nil, ""},
		"null":                   {`{"logs":null,"nextToken":"x"}`, nil, ""},
		"an object as a message": {`{"logs":[` + entry + `{"a":1e400,"b":"c"}}]}`, []string{`INFO {"a":1e400,"b":"c"}`}, ""},
		"no message":             {`{"logs":[{"level":"INFO"},` + entry + `null}]}`, []string{"INFO ", "INFO "}, ""},
		"no logs":                {`{"error":"x"}`, nil, "/beta/platform-logs/query: 200: unexpected body (13 bytes"},
		"a list":                 {`[]`, nil, "unexpected body"},
		"an object for a list":   {`{"logs":{}}`, nil, "unexpected body"},
		"HTML":                   {`<html>`, nil, "unexpected body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, doer := serve(t)
			srv.Inject(customizerstest.Fault{Operation: customizerstest.QueryLogs, Status: 200, Body: tt.body})
			texts, err := collect(t, doer, "a", instances.LogOptions{})
			assert.Equal(t, tt.want, texts)
			assert.Len(t, doer.sent, 1)
			if tt.says == "" {
				assert.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
			assert.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
		})
	}

	// The same token again is the end.
	srv, doer := serve(t)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.QueryLogs, Status: 200, Body: `{"logs":[` + entry + `"a"}],"nextToken":"x"}`, Times: -1})
	texts, err := collect(t, doer, "a", instances.LogOptions{})
	require.NoError(t, err)
	assert.Len(t, texts, 2)
	for l, err := range instances.Logs(t.Context(), doer, "a", instances.LogOptions{}) {
		require.NoError(t, err)
		assert.Equal(t, time.Date(2026, 11, 28, 15, 0, 0, 123e6, time.UTC), l.Time.UTC())
	}
}

// A query of logs is retried, although it is a POST.
func TestLogsFail(t *testing.T) {
	t.Parallel()
	type fault = customizerstest.Fault
	for name, tt := range map[string]struct {
		fault    fault
		is       error // nil for success
		requests int
	}{
		"503":             {fault{Status: 503}, nil, 2},
		"a lost response": {fault{Reset: true, Apply: true}, nil, 2},
		"503, every time": {fault{Status: 503, Times: -1}, customizers.ErrServer, 4},
		"forbidden":       {fault{Status: 403}, customizers.ErrForbidden, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, doer := serve(t)
			tt.fault.Operation = customizerstest.QueryLogs
			srv.Inject(tt.fault)
			_, err := collect(t, doer, "a", instances.LogOptions{})
			require.ErrorIs(t, err, tt.is)
			assert.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
			requests := srv.Requests(customizerstest.QueryLogs)
			assert.Len(t, requests, tt.requests)
			for _, r := range requests {
				assert.NotContains(t, r.Header, "Idempotency-Key")
			}
		})
	}
	srv, doer := serve(t)
	srv.Inject(fault{Operation: customizerstest.QueryLogs, Status: 404})
	_, err := collect(t, doer, "a", instances.LogOptions{})
	require.ErrorContains(t, err, "the tenant has no endpoint for logs")
	assert.NotErrorIs(t, err, customizers.ErrNotFound)
	for _, blank := range []string{"", " \t"} {
		_, err = collect(t, doer, blank, instances.LogOptions{})
		require.ErrorIs(t, err, customizers.ErrInvalidArgument, "%q", blank)
	}
	assert.Len(t, doer.sent, 1)
	assert.NotContains(t, strings.Join(doer.sent, ""), "null")
}
