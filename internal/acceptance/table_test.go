package acceptance

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// Tables fit the terminal: they shorten names, then drop the last column. IDs stay whole.
func TestTablesFit(t *testing.T) {
	t.Parallel()
	names := []string{
		"short",
		"a name that is so long that it fits no terminal that anybody has, not even one that is as wide as the desk it stands on, as this one may be",
		strings.Repeat("東京", 60),
		"Zu\u0308rich and a combining mark",
		"a\x1b[31mred\x1b[0m\r\nline\x07",
	}
	var all tenant
	for _, name := range names {
		all.Customizers = append(all.Customizers, customizers.Customizer{Name: name})
	}
	data, err := json.Marshal(all)
	require.NoError(t, err)
	file := t.TempDir() + "/tenant.json"
	require.NoError(t, os.WriteFile(file, data, 0o600))
	env, _ := serve(t, "-tenant", file)

	for columns, tt := range map[int]struct{ head, long, wide string }{
		60: {
			`^ID +NAME +VERSION$`,
			`^[0-9a-f-]{36}  a name that …  -$`,
			`^[0-9a-f-]{36}  (東京){3}…  -$`,
		},
		80: {
			`^ID +NAME +VERSION +CREATED$`,
			`^[0-9a-f-]{36}  a name that is so long…  -        just now$`,
			`^[0-9a-f-]{36}  東(京東){5}京?…  -        just now$`,
		},
		200: {
			`^ID +NAME +VERSION +CREATED$`,
			`^[0-9a-f-]{36}  a name that .* as this one may be +-        just now$`,
			`^[0-9a-f-]{36}  (東京)+東?…  -        just now$`,
		},
	} {
		term := runInTerminal(t, columns, env, nil, "list")
		got := lines(term.waitExit(0))
		require.Len(t, got, 1+len(names), "a line wraps, or a name breaks it:\n%s", strings.Join(got, "\n"))
		assert.Regexp(t, tt.head, got[0], columns)
		assert.Regexp(t, tt.long, got[2], columns)
		assert.Regexp(t, tt.wide, got[3], columns)
		assert.NotContains(t, term.output(), "\x1b[31m", "escape sequences in a name are not sent to the terminal")
	}
}

// doctor wraps long details between words.
func TestDoctorWraps(t *testing.T) {
	t.Parallel()
	env := environ(t.TempDir(), "SAIL_BASE_URL=http://127.0.0.1:1", "SAIL_CLIENT_ID=x", "SAIL_CLIENT_SECRET=y")
	got := runInTerminal(t, 60, env, nil, "doctor").waitExit(1)
	assert.Contains(t, got, `
FAILED  oauth/info     dial tcp 127.0.0.1:1: connect:
                       connection refused
        fix            check the network, the firewall and
                       the proxy (none) between here and
                       http://127.0.0.1:1
customizers: the oauth/info check failed`)
}

var escape = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Only a terminal gets colors, and none with NO_COLOR or TERM=dumb.
func TestColors(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "-tenant", tenantFile(t), "--fault", "list:status=403,skip=1")
	output := func(env []string, code int, args ...string) string {
		term := runInTerminal(t, 100, env, nil, args...)
		term.waitExit(code)
		return term.output()
	}
	assert.Contains(t, output(env, 0, "list"), "\x1b[1mID\x1b[0m")
	assert.Contains(t, output(env, 4, "list"), "\x1b[31mcustomizers:\x1b[0m")
	assert.Contains(t, output(env, 0, "doctor"), "\x1b[32mok\x1b[0m")
	assert.Contains(t, output(append(env, "SAIL_CLIENT_SECRET=x"), 4, "doctor"), "\x1b[31mFAILED\x1b[0m")
	assert.NotRegexp(t, escape, output(env, 0, "list", "-o", "json"))

	for _, without := range []string{"NO_COLOR=1", "TERM=dumb"} {
		env := append(env[:len(env):len(env)], without)
		assert.NotRegexp(t, escape, output(env, 0, "list"), without)
		assert.NotRegexp(t, escape, output(env, 3, "get", "no-such"), without)
		assert.NotRegexp(t, escape, output(env, 0, "doctor"), without)
	}
	assert.Contains(t, output(append(env, "NO_COLOR="), 0, "list"), "\x1b[1m", "an empty NO_COLOR counts as unset")
}
