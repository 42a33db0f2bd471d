package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
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

// A log that is followed shows each entry once, also an entry that is late, until the context
// ends.
func TestFollowLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := customizerstest.NewServer(customizerstest.WithoutSocket(),
			customizerstest.WithCustomizers(customizers.Customizer{ID: "id-one", Name: "one", ImageVersion: 1}),
			customizerstest.WithInstances(instances.Instance{ID: "id-a", Name: "a"}))
		defer srv.Close()
		client := srv.Client()
		link := func() {
			_, err := instances.Link(t.Context(), client, "id-one", "id-a")
			require.NoError(t, err)
			_, err = instances.Unlink(t.Context(), client, "id-a")
			require.NoError(t, err)
		}
		link()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var stdout, stderr safeBuffer
		a := &app{out: &stdout, console: newConsole(&stderr), output: output{format: formatTable}}
		ended := make(chan error)
		go func() {
			ended <- a.showLogs(ctx, client, "a", instances.LogOptions{Since: time.Now().Add(-time.Minute)}, true)
		}()
		lines := func() int {
			<-time.After(followEvery)
			synctest.Wait()
			return strings.Count(stdout.String(), "\n")
		}
		assert.Equal(t, 2, lines())
		link()
		assert.Equal(t, 4, lines())
		<-time.After(time.Hour)
		link()
		assert.Equal(t, 6, lines())

		// An entry of a few seconds ago, which the service did not have before.
		late := fmt.Sprintf(`{"logs":[{"timestamp":%q,"level":"ERROR","message":"late"}]}`, time.Now().Add(-10*time.Second).Format(time.RFC3339))
		srv.Inject(customizerstest.Fault{Operation: customizerstest.QueryLogs, Status: http.StatusOK, Body: late})
		assert.Equal(t, 7, lines())
		var filter struct{ Filter struct{ StartTime time.Time } }
		requests := srv.Requests(customizerstest.QueryLogs)
		require.NoError(t, json.Unmarshal([]byte(requests[len(requests)-1].Body), &filter))
		assert.Less(t, time.Since(filter.Filter.StartTime), time.Minute, "old entries are not read again")

		// An entry of a clock that is ahead hides none that follow.
		ahead := fmt.Sprintf(`{"logs":[{"timestamp":%q,"level":"ERROR","message":"ahead"}]}`, time.Now().Add(time.Hour).Format(time.RFC3339))
		srv.Inject(customizerstest.Fault{Operation: customizerstest.QueryLogs, Status: http.StatusOK, Body: ahead})
		before := lines()
		assert.Contains(t, stdout.String(), "ahead")
		link()
		assert.Greater(t, lines(), before)

		cancel()
		require.NoError(t, <-ended)
		assert.Empty(t, stderr.String())
	})
}

// An error ends the command, but not a request that Ctrl-C ended.
func TestFollowLogsFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault customizerstest.Fault
		is    error
	}{
		"forbidden": {customizerstest.Fault{Status: http.StatusForbidden}, customizers.ErrForbidden},
		"Ctrl-C":    {customizerstest.Fault{Delay: time.Hour}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := customizerstest.NewServer(customizerstest.WithoutSocket())
				defer srv.Close()
				srv.Inject(tt.fault)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				a := &app{out: new(bytes.Buffer), console: newConsole(new(bytes.Buffer)), output: output{format: formatTable}}
				require.ErrorIs(t, a.showLogs(ctx, srv.Client(), "a", instances.LogOptions{}, true), tt.is)
			})
		})
	}
}

// The text of an entry can neither control a terminal nor look like another entry.
func TestLogText(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`"done"`:                                "INFO  done",
		`"a\r\n\tb\n\n"`:                        "INFO  a\n        b",
		`"\u001b]0;x\u0007\u009b\u202e"`:        "INFO  �]0;x���",
		`"x\n2026-11-28T15:00:00.000Z ERROR y"`: "INFO  x\n    2026-11-28T15:00:00.000Z ERROR y",
		`"x\u2028y\u2029z"`:                     "INFO  x�y�z",
		`{"a":"\u001b"}`:                        `INFO  {"a":"\u001b"}`,
		`null`:                                  "INFO  ",
	} {
		l := instances.Log{Level: "INFO", Message: json.RawMessage(message)}
		l.Time.Time = time.Date(2026, 11, 28, 16, 0, 0, 5e6, time.FixedZone("", 3600))
		assert.Equal(t, "2026-11-28T15:00:00.005Z "+want, logText(l), message)
	}
	hostile := instances.Log{Level: "\x1b[31m", Event: "e\x07", Message: json.RawMessage(`"m"`)}
	assert.Equal(t, "0001-01-01T00:00:00.000Z �[31m e�: m", logText(hostile))
}

// A log takes no memory for the entries that were written.
func TestLogsMemory(t *testing.T) { // not parallel: it measures
	const pages = 64
	sent := 0
	client, err := customizers.New("acme", customizers.ClientCredentials("id", "secret"), customizers.WithoutRateLimit(), customizers.WithHTTPClient(&http.Client{Transport: tripper(func(r *http.Request) string {
		if r.URL.Path == "/oauth/token" {
			return `{"access_token": "token"}`
		}
		if sent++; sent > pages {
			return `{"logs": []}`
		}
		return fmt.Sprintf(`{"logs":[{"message":"%d %s"}],"nextToken":"%d"}`, sent, strings.Repeat("x", 256<<10), sent)
	})}))
	require.NoError(t, err)
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	start := live()
	lines, most := 0, int64(0)
	out := writerFunc(func(p []byte) (int, error) {
		if lines += bytes.Count(p, []byte("\n")); lines == pages {
			most = live() - start
		}
		return len(p), nil
	})
	a := &app{out: out, console: newConsole(io.Discard), output: output{format: formatTable}}
	require.NoError(t, a.showLogs(t.Context(), client, "a", instances.LogOptions{}, false))
	assert.Equal(t, pages, lines)
	assert.Less(t, most>>20, int64(16), "MiB for a log of 16 MiB")
}

type tripper func(*http.Request) string

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(f(r)))}, nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
