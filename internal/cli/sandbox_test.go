package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// A testSandbox is a running sandbox command.
type testSandbox struct {
	env  map[string]string // as printed
	logs func() string
	stop func() int
}

func (s *testSandbox) client(t *testing.T) *customizers.Client {
	t.Helper()
	c, err := customizers.New(s.env["SAIL_BASE_URL"], customizers.ClientCredentials(s.env["SAIL_CLIENT_ID"], s.env["SAIL_CLIENT_SECRET"]))
	require.NoError(t, err)
	return c
}

// A safeBuffer is a buffer for concurrent use.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *safeBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *safeBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func serve(t *testing.T, args ...string) *testSandbox {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	stdout, stderr := &safeBuffer{}, &safeBuffer{}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"sandbox", "--port", "0"}, args...), nil, stdout, stderr)
	}()
	require.Eventually(t, func() bool { return strings.Count(stdout.String(), "\n") == 3 }, 10*time.Second, 5*time.Millisecond, "%s", stderr)
	s := &testSandbox{env: map[string]string{}, logs: stderr.String}
	for line := range strings.Lines(stdout.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		s.env[name] = value
	}
	s.stop = func() int {
		cancel()
		return <-code
	}
	return s
}

// The log has each request when its response arrives, and no secret. A reset is in the log before
// the client sees it, and a truncated response has its status.
func TestSandboxLog(t *testing.T) {
	t.Parallel()
	s := serve(t, "--fault", "info:reset", "--fault", "info:truncate=5", "--fault", "info:status=418,body="+strings.Repeat("x", 100_000))
	for _, want := range []string{`reset \S+ \(fault\)`, `200 \S+ \(fault\)`, `418 \S+ \(fault\)`, `200 \S+`} {
		resp, err := http.Get(s.env["SAIL_BASE_URL"] + "/oauth/info?a=b")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		assert.Regexp(t, `GET    /oauth/info\?a=b `+want+`\n$`, s.logs(), "%v", err)
	}
	ask(t, s, http.MethodPost, "/oauth/token?client_secret="+s.env["SAIL_CLIENT_SECRET"], "")
	assert.Regexp(t, `POST   /oauth/token 400 \S+\n$`, s.logs())
}

// A sandbox prints its settings for a shell, or as JSON.
func TestSandboxSettings(t *testing.T) {
	t.Parallel()
	for pattern, flags := range map[string][]string{
		`^(export SAIL_\w+=\S+\n){3}$`:           {"--shell", "sh"},
		`^(set -gx SAIL_\w+ \S+\n){3}$`:          {"--shell", "fish"},
		`^(\$env:SAIL_\w+ = '\S+'\n){3}$`:        {"--shell", "powershell"},
		`^(set "SAIL_\w+=\S+"\n){3}$`:            {"--shell", "cmd"},
		`^\{\n(  "SAIL_\w+": "\S+",?\n){3}\}\n$`: {"-o", "json"},
	} {
		t.Run(flags[1], func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			stdout := &safeBuffer{}
			code := make(chan int, 1)
			go func() {
				code <- run(ctx, append([]string{"sandbox", "--port", "0", "-q"}, flags...), nil, stdout, io.Discard)
			}()
			assert.Eventually(t, func() bool { return regexp.MustCompile(pattern).MatchString(stdout.String()) },
				10*time.Second, 5*time.Millisecond, "%s", stdout)
			cancel()
			assert.Equal(t, exitOK, <-code)
		})
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	n, per, err := parseRate("100/10s")
	require.NoError(t, err)
	assert.Equal(t, 100, n)
	assert.Equal(t, 10*time.Second, per)
	for _, off := range []string{"off", "0"} {
		n, _, err = parseRate(off)
		require.NoError(t, err)
		assert.Zero(t, n)
	}
	for _, bad := range []string{"", "100", "100/", "/10s", "-1/10s", "0/10s", "1/0s", "1/-1s", "x/1s", "1/x"} {
		_, _, err = parseRate(bad)
		assert.ErrorContains(t, err, "is not a rate", bad)
	}
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	good := map[string]customizerstest.Fault{
		"any:status=503":         {Status: 503},
		"create:reset,apply":     {Operation: customizerstest.Create, Reset: true, Apply: true},
		"list:delay=2s,skip=1":   {Operation: customizerstest.List, Delay: 2 * time.Second, Skip: 1},
		"upload:truncate=3":      {Operation: customizerstest.CreateVersion, TruncateAt: 3},
		"token:status=401":       {Operation: customizerstest.Token, Status: 401},
		"get:expire-token":       {Operation: customizerstest.Get, ExpireToken: true},
		"instances:reset":        {Operation: customizerstest.ListInstances, Reset: true},
		"link:status=404":        {Operation: customizerstest.UpdateInstance, Status: 404},
		"any:reset,times=always": {Reset: true, Times: -1},
		"delete:reset,times=2":   {Operation: customizerstest.Delete, Reset: true, Times: 2},
		"any:status=400,body=a":  {Status: 400, Body: "a"},
		"any:status=502,body=":   {Status: 502, Header: http.Header{"Content-Type": {"text/plain"}}},
		"any:status=200,body=,":  {Status: 200, Body: ","},
		"logs:status=429,retry-after=0,body=": {
			Operation: customizerstest.QueryLogs, Status: 429, Header: http.Header{"Retry-After": {"0"}, "Content-Type": {"text/plain"}},
		},
		`update:status=429,retry-after=7,body={"a":1,"b":2}`: {
			Operation: customizerstest.Update, Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: `{"a":1,"b":2}`,
		},
	}
	for rule, want := range good {
		got, err := parseFault(rule)
		require.NoError(t, err, rule)
		assert.Equal(t, want, got, rule)
		again, err := parseFault(faultText(got))
		require.NoError(t, err, rule)
		assert.Equal(t, got, again, rule)
	}
	bad := map[string]string{
		"":                               `unknown operation ""`,
		"lists:reset":                    `unknown operation "lists"`,
		"list":                           "no effect (want, for example, list:status=503)",
		"list:":                          "no effect (want, for example, list:status=503)",
		"list:explode":                   `unknown effect "explode"`,
		"list:status=99":                 "status=99 is not valid (want 200 to 599)",
		"list:status=600":                "status=600 is not valid (want 200 to 599)",
		"list:status=x":                  "status=x is not valid (want, for example, status=503)",
		"list:status=503,":               `unknown effect ""`,
		"list:status":                    "status is not valid (want, for example, status=503)",
		"list:times=-1,reset":            "times=-1 is not valid",
		"list:skip=always,reset":         "skip=always is not valid",
		"list:delay=-2s":                 "delay=-2s is not valid (want, for example, delay=2s)",
		"list:truncate=0":                "truncate=0 is not valid",
		"list:body=x":                    "need a status",
		"list:status=503,retry-after=-1": "retry-after=-1 is not valid",
		"list:reset=1":                   "reset takes no value",
		"list:delay=2":                   "delay=2 is not valid",
		"list:times=0,reset":             "times=0",
		"list:skip=1":                    "no effect (want status",
		"list:reset,status=500":          "can't be combined",
		"list:status=500,truncate=1":     "can't be combined",
		"list:apply,delay=1s":            "apply needs",
		"list:retry-after=7,delay=1s":    "need a status",
		"list:reset,body=x":              "need a status",
		"list:reset,body=":               "need a status",
	}
	for rule, says := range bad {
		_, err := parseFault(rule)
		assert.ErrorContains(t, err, says, rule)
	}
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 2, run(t.Context(), []string{"sandbox", "--fault", "list:explode"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), `--fault list:explode: unknown effect "explode"`)
}

func FuzzFault(f *testing.F) {
	for _, s := range []string{"any:status=503", "create:reset,apply", "list:delay=2s,skip=1", "update:status=429,retry-after=7,body=,,", "get:status=502,body=", "x", ":", "list:=,="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		got, err := parseFault(rule)
		if err != nil {
			return
		}
		again, err := parseFault(faultText(got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
