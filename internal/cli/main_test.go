package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestRunDemo(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"demo"}, nil, &stdout, &stderr)
	require.Equal(t, 0, code, "%s\n%s", &stdout, &stderr)
	assert.Empty(t, stderr.String())
	assert.Contains(t, stdout.String(), "all as expected")
	assert.NotContains(t, stdout.String(), "NOT AS EXPECTED")

	// Each line has an operation, its statuses and its time.
	line := regexp.MustCompile(`^(create|create version|list|update|get|link|unlink|delete) {2,}((?:token )?(?:\d{3}|no response)(?:, (?:token )?\d{3})*) +([\d.]+(?:ms|µs|s))  \S`)
	seen := map[string][]string{}
	for l := range strings.Lines(stdout.String()) {
		if m := line.FindStringSubmatch(l); m != nil {
			seen[m[1]] = append(seen[m[1]], m[2])
		}
	}
	assert.Equal(t, map[string][]string{
		"create":         {"token 200, 201", "201", "201", "no response, 200, 200, 200"},
		"create version": {"200"},
		"list":           {"200, 200, 200"},
		"update":         {"200"},
		"get":            {"200", "401, token 200, 200", "429, 200", "404"},
		"link":           {"200"},
		"unlink":         {"200"},
		"delete":         {"204", "204", "204", "204"},
	}, seen)
}

func TestDemoFailures(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault customizerstest.Fault
		says  []string
	}{
		"a create fails": {
			customizerstest.Fault{Operation: customizerstest.Create, Status: http.StatusBadRequest},
			[]string{"create: customizers: POST /v2024/connector-customizers: 400"},
		},
		"an unexpected retry": {
			customizerstest.Fault{Operation: customizerstest.List, Skip: 1, Status: http.StatusServiceUnavailable},
			[]string{"list: the HTTP statuses: got 200, 503, 200, 200, expected 200, 200, 200"},
		},
		"an update returns the old name": {
			customizerstest.Fault{Operation: customizerstest.Update, Status: http.StatusOK, Body: `{"id":"x","name":"hr-feed"}`},
			[]string{"update: the name: got hr-feed, expected hr-feed-v2", "get: the name"},
		},
		"a delete does nothing": {
			customizerstest.Fault{Operation: customizerstest.Delete, Status: http.StatusNoContent},
			[]string{"ErrNotFound: got false", "the sandbox's customizers: got 601, expected 600"},
		},
		"no token": {
			customizerstest.Fault{Operation: customizerstest.Token, Status: http.StatusUnauthorized, Times: -1},
			[]string{"create: ", "/oauth/token", "401"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(600), customizerstest.WithInstanceCount(1), customizerstest.WithRateLimit(20, time.Second))
			defer srv.Close()
			srv.Inject(tt.fault)
			var out bytes.Buffer
			err := demo(t.Context(), &out, srv)
			require.Error(t, err, out.String())
			for _, s := range tt.says {
				assert.Contains(t, err.Error(), s)
			}
			assert.Contains(t, out.String(), "NOT AS EXPECTED")
			assert.Contains(t, out.String(), "not as expected.")
			assert.NotContains(t, out.String(), "all as expected")
		})
	}
}

func TestRunDemoInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitInterrupted, run(ctx, []string{"demo"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "interrupted")
	assert.NotContains(t, stdout.String(), "all as expected")
}

func TestRunSandbox(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout, w := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"sandbox", "--port", "0", "--customizers", "5"}, nil, w, &stderr)
		_ = w.Close()
	}()

	exports := bufio.NewScanner(stdout)
	line := regexp.MustCompile(`^export (SAIL_[A-Z_]+)=(\S+)$`)
	for _, name := range []string{"SAIL_BASE_URL", "SAIL_CLIENT_ID", "SAIL_CLIENT_SECRET"} {
		require.True(t, exports.Scan(), "no %s", name)
		m := line.FindStringSubmatch(exports.Text())
		require.NotNil(t, m, exports.Text())
		require.Equal(t, name, m[1])
		t.Setenv(name, m[2])
	}
	t.Setenv("SAIL_ACCESS_TOKEN", "")

	client, err := customizers.NewFromEnv()
	require.NoError(t, err)
	page, err := client.List(t.Context(), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 5)

	cancel()
	select {
	case c := <-code:
		assert.Equal(t, 0, c)
	case <-time.After(20 * time.Second):
		t.Fatal("the sandbox did not stop with its context")
	}
	assert.False(t, exports.Scan(), "standard output has only what to paste into a shell")
	assert.Contains(t, stderr.String(), "Ctrl-C")
	assert.Contains(t, stderr.String(), "5 customizers")
}

// A sandbox prints its settings for a shell, or as JSON.
func TestRunSandboxSettings(t *testing.T) {
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

func TestRunSandboxPortInUse(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)

	var stdout, stderr bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), []string{"sandbox", "--port", port}, nil, &stdout, &stderr))
	assert.Empty(t, stdout.String(), "nothing to paste")
	assert.Equal(t, "customizers: port "+port+" is in use (use another --port, or 0 for any)\n", stderr.String())
}

func TestRunCommandLines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args           []string
		code           int
		stdout, stderr string // text that they contain; empty if they are empty
	}{
		"--help":             {[]string{"--help"}, 0, "sandbox", ""},
		"help":               {[]string{"help"}, 0, "demo", ""},
		"nothing":            {nil, 0, "Usage", ""},
		"demo --help":        {[]string{"demo", "--help"}, 0, "Usage", ""},
		"sandbox --help":     {[]string{"sandbox", "--help"}, 0, "--port", ""},
		"unknown command":    {[]string{"deploi"}, 2, "", `unknown command "deploi"`},
		"unknown flag":       {[]string{"demo", "--loud"}, 2, "", "unknown flag: --loud"},
		"unknown root flag":  {[]string{"--loud"}, 2, "", "unknown flag: --loud"},
		"port not a number":  {[]string{"sandbox", "--port", "http"}, 2, "", "--port"},
		"port without value": {[]string{"sandbox", "--port"}, 2, "", "--port"},
		"seed not a number":  {[]string{"sandbox", "--customizers", "many"}, 2, "", "--customizers"},
		"extra argument":     {[]string{"demo", "twice"}, 2, "", `"twice"`},
		"sandbox, argument":  {[]string{"sandbox", "8787"}, 2, "", `"8787"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			assert.Equal(t, tt.code, run(t.Context(), tt.args, nil, &stdout, &stderr))
			check := func(name, got, want string) {
				if want == "" {
					assert.Empty(t, got, name)
				} else {
					assert.Contains(t, got, want, name)
				}
			}
			check("standard output", stdout.String(), tt.stdout)
			check("standard error", stderr.String(), tt.stderr)
			if tt.code == 2 {
				assert.Regexp(t, `; run 'customizers( demo| sandbox)? --help' for usage\n$`, stderr.String())
			}
		})
	}
}

// Values that parse, but are invalid.
func TestRunSandboxInvalidFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--port", "65536"}, {"--port", "-1"}, {"--port", "0", "--customizers", "-1"}, {"--port", "0", "--instances", "-1"}} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), append([]string{"sandbox"}, args...), nil, &stdout, &stderr), args)
		assert.Empty(t, stdout.String())
		assert.Contains(t, stderr.String(), args[len(args)-2]+" "+args[len(args)-1])
	}
}
