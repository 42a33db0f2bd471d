package config

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	api    = "https://acme.api.identitynow.com"
	secret = "hush-hush"
)

// sources holds the content of the sources.
type sources struct {
	env        map[string]string
	json, yaml string
	keyring    map[string]string // by service and user
}

// find returns the settings that Find selects, or the error of Find or Check.
func (s sources) find(t *testing.T, env string) (Settings, error) {
	t.Helper()
	for _, name := range []string{
		"SAIL_BASE_URL", "SAIL_CLIENT_ID", "SAIL_CLIENT_SECRET", "SAIL_ACCESS_TOKEN", "SAIL_ACTIVEENVIRONMENT", "SAIL_AUTHTYPE", "BASE_URL", "CLIENT_ID", "CLIENT_SECRET",
	} {
		t.Setenv(name, s.env[name])
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	for path, content := range map[string]string{"config.json": s.json, ".sailpoint/config.yaml": s.yaml} {
		if content != "" {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		}
	}
	var keyring Keyring
	if s.keyring != nil {
		keyring = func(service, user string) (string, error) {
			if err, ok := s.keyring["error"]; ok {
				return "", errors.New(err)
			}
			return s.keyring[service+" "+user], nil
		}
	}
	found, err := Find(Setting{Name: "--env", Value: env}, keyring)
	if err == nil {
		err = found.Check()
	}
	return found, err
}

func variables(base, id, secret string) map[string]string {
	return map[string]string{"SAIL_BASE_URL": base, "SAIL_CLIENT_ID": id, "SAIL_CLIENT_SECRET": secret}
}

// twoEnvironments is a file of SailPoint's CLI with two environments.
const twoEnvironments = `activeenvironment: live
environments:
  live: {baseurl: "https://live.api.identitynow.com", pat: {clientid: an-id, clientsecret: hush-hush}}
  test: {baseurl: "https://test.api.identitynow.com", pat: {clientid: an-id, clientsecret: hush-hush}}
`

const jsonFile = `{"BaseURL": "json", "ClientId": "an-id", "ClientSecret": "hush-hush"}`

// All settings come from one source and, in the YAML file, from one environment.
func TestFind(t *testing.T) {
	active := func(name string) map[string]string { return map[string]string{"SAIL_ACTIVEENVIRONMENT": name} }
	inKeyring := map[string]string{"environments.pat.clientid live": "an-id", "environments.pat.clientsecret live": secret}
	for name, tt := range map[string]struct {
		sources
		flag   string // --env
		tenant string
	}{
		"environment first":           {sources: sources{env: variables("env", "an-id", secret), json: jsonFile, yaml: twoEnvironments}, tenant: "env"},
		"then config.json":            {sources: sources{json: jsonFile, yaml: twoEnvironments}, tenant: "json"},
		"then config.yaml":            {sources: sources{yaml: twoEnvironments}, tenant: "live"},
		"a flag before all":           {sources: sources{env: variables("env", "an-id", secret), json: jsonFile, yaml: twoEnvironments}, flag: "Test", tenant: "test"},
		"a flag before the variable":  {sources: sources{env: active("live"), yaml: twoEnvironments}, flag: "test", tenant: "test"},
		"variable before the file":    {sources: sources{env: active("TEST"), yaml: twoEnvironments}, tenant: "test"},
		"variable before config.json": {sources: sources{env: active("test"), json: jsonFile, yaml: twoEnvironments}, tenant: "test"},
		"settings before the variable": {
			sources: sources{env: map[string]string{"SAIL_ACTIVEENVIRONMENT": "test", "SAIL_BASE_URL": "env", "SAIL_ACCESS_TOKEN": "a-token"}, yaml: twoEnvironments}, tenant: "env",
		},
		"any case":         {sources: sources{yaml: strings.NewReplacer("live", "LIVE", "environments", "Environments", "activeenv", "activeEnv", "client", "Client", "pat:", "PAT:").Replace(twoEnvironments)}, tenant: "live"},
		"name in any case": {sources: sources{yaml: strings.Replace(twoEnvironments, ": live", ": LiVe", 1)}, tenant: "live"},
		"default":          {sources: sources{yaml: "environments: {Default: {baseurl: acme, pat: {clientid: an-id, clientsecret: hush-hush}}}"}, tenant: "acme"},
		"default, null":    {sources: sources{yaml: "activeenvironment:\nenvironments: {default: {baseurl: acme, pat: {clientid: an-id, clientsecret: hush-hush}}}"}, tenant: "acme"},
		"keyring":          {sources: sources{yaml: "activeenvironment: Live\nenvironments: {LIVE: {BaseURL: acme}}", keyring: inKeyring}, tenant: "acme"},
		"authtype PAT":     {sources: sources{yaml: "AuthType: PAT\n" + twoEnvironments}, tenant: "live"},
		"SAIL_AUTHTYPE":    {sources: sources{env: map[string]string{"SAIL_AUTHTYPE": "pat"}, yaml: "authtype: oauth\n" + twoEnvironments}, tenant: "live"},
		"oauth elsewhere":  {sources: sources{env: variables("env", "an-id", secret), yaml: "authtype: oauth\n" + twoEnvironments}, tenant: "env"},
		"JSON with a BOM":  {sources: sources{json: "\ufeff" + jsonFile}, tenant: "json"},
		"YAML with a BOM":  {sources: sources{yaml: "\ufeff" + twoEnvironments}, tenant: "live"},
		"UI address":       {sources: sources{env: variables("https://acme.identitynow.com/ui", "an-id", secret)}, tenant: "acme"},
		"token wins":       {sources: sources{env: map[string]string{"SAIL_BASE_URL": "acme", "SAIL_CLIENT_SECRET": "x\r", "SAIL_ACCESS_TOKEN": "a-token"}}, tenant: "acme"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := tt.find(t, tt.flag)
			require.NoError(t, err)
			assert.Equal(t, "https://"+tt.tenant+".api.identitynow.com", found.Base.Value)
			if found.Token.Value == "" {
				assert.Equal(t, "an-id "+secret, found.ID.Value+" "+found.Secret.Value)
			}
		})
	}
}

// An error names the setting and its source, and quotes no secret.
func TestFindInvalid(t *testing.T) {
	yaml := func(id, secret string) string {
		return "environments: {default: {baseurl: acme, pat: {clientid: \"" + id + "\", clientsecret: \"" + secret + "\"}}}"
	}
	for says, tt := range map[string]struct {
		sources
		flag string
	}{
		// Values.
		"SAIL_CLIENT_SECRET in the environment has leading or trailing white space":         {sources: sources{env: variables(api, "an-id", "hush-hush\r")}},
		"SAIL_CLIENT_SECRET in the environment has control or non-ASCII":                    {sources: sources{env: variables(api, "an-id", "\ufeffhush-hush")}},
		"SAIL_CLIENT_ID in the environment has control or non-ASCII":                        {sources: sources{env: variables(api, "an\x1bid", secret)}},
		"SAIL_BASE_URL in the environment has leading or trailing white space":              {sources: sources{env: variables(api+"\r", "an-id", secret)}},
		"SAIL_ACCESS_TOKEN in the environment has leading":                                  {sources: sources{env: map[string]string{"SAIL_BASE_URL": api, "SAIL_ACCESS_TOKEN": secret + "\n"}}},
		"ClientSecret in ./config.json has control or non-ASCII characters":                 {sources: sources{json: `{"BaseURL": "acme", "ClientId": "an-id", "ClientSecret": "hush-hush\u0000"}`}},
		"environments.default.pat.clientsecret in " + YAMLFile + " has leading or trailing": {sources: sources{yaml: yaml("an-id", `hush-hush\r`)}},
		"environments.default.baseurl in " + YAMLFile + ": the tenant is neither":           {sources: sources{yaml: strings.Replace(yaml("an-id", secret), "acme", secret+"_", 1)}},
		"environments.pat.clientsecret of default in the system's keyring has leading": {
			sources: sources{yaml: yaml("an-id", ""), keyring: map[string]string{"environments.pat.clientsecret default": "hush-hush\n"}},
		},
		// The tenant.
		`SAIL_BASE_URL in the environment: the tenant URL has the path "/v3" (want ` + api + ` alone; the API version`: {sources: sources{env: variables(api+"/v3", "an-id", secret)}},
		"SAIL_BASE_URL in the environment: the tenant is neither a name nor an https URL":                              {sources: sources{env: variables(strings.Repeat(secret, 8), "an-id", "x")}},
		// What is missing.
		"SAIL_CLIENT_ID and SAIL_CLIENT_SECRET are not set in the environment":                          {sources: sources{env: variables(api, "", ""), json: jsonFile, yaml: twoEnvironments}},
		"looked in the environment, ./config.json, " + YAMLFile:                                         {sources: sources{yaml: "activeenvironment: default\nauthtype: oauth\n"}},
		"; add the prefix SAIL_ to CLIENT_SECRET in the environment":                                    {sources: sources{env: map[string]string{"CLIENT_SECRET": secret}}},
		"; add the prefix SAIL_ to BASE_URL, CLIENT_ID in the environment":                              {sources: sources{env: map[string]string{"BASE_URL": api, "CLIENT_ID": "an-id"}}},
		"looked in the environment, " + YAMLFile:                                                        {sources: sources{env: map[string]string{"SAIL_ACTIVEENVIRONMENT": "a"}, json: jsonFile, yaml: "environments: {a: {}}"}},
		"pat.clientsecret is not set in " + YAMLFile + " or the system's key":                           {sources: sources{yaml: yaml("an-id", ""), keyring: map[string]string{}}},
		"(and the keyring is locked; set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET instead)": {sources: sources{yaml: yaml("an-id", ""), keyring: map[string]string{"error": "the keyring is locked"}}},
		"(if SailPoint's CLI keeps it in the system's keyring, set":                                     {sources: sources{yaml: yaml("an-id", "")}},
		// Environments.
		`has no environment "nope"; it has live, test (see SAIL_ACTIVEENVIRONMENT in the environment)`:                                      {sources: sources{env: map[string]string{"SAIL_ACTIVEENVIRONMENT": "nope"}, json: jsonFile, yaml: twoEnvironments}},
		`SAIL_ACTIVEENVIRONMENT in the environment names the environment "nope", but ` + YAMLFile + " does not exist":                       {sources: sources{env: map[string]string{"SAIL_ACTIVEENVIRONMENT": "nope"}, json: jsonFile}},
		`has no environment "prod"; it has live, test (see --env)`:                                                                          {sources: sources{yaml: twoEnvironments}, flag: "prod"},
		`has no environment "prod"; it has none (see --env)`:                                                                                {sources: sources{yaml: "authtype: pat"}, flag: "prod"},
		`has no environment "gone"; it has live, test (see activeenvironment in ` + YAMLFile + ")":                                          {sources: sources{yaml: strings.Replace(twoEnvironments, ": live", ": gone", 1)}},
		`has no environment "default"; it has live, test (see activeenvironment in`:                                                         {sources: sources{yaml: strings.Replace(twoEnvironments, "activeenvironment: live", "", 1)}},
		`authtype in ` + YAMLFile + ` is "OAuth", a login that only SailPoint's CLI can use: set it to pat and use a personal access token`: {sources: sources{yaml: "AUTHTYPE: OAuth\n" + twoEnvironments}},
		`SAIL_AUTHTYPE in the environment is "oauth"`:                                                                                       {sources: sources{env: map[string]string{"SAIL_AUTHTYPE": "oauth"}, yaml: twoEnvironments}},
		// Files.
		"./config.json is UTF-16; save it as UTF-8":                                   {sources: sources{json: utf16Of(jsonFile, false, true)}},
		"./config.json has NUL bytes; save it as UTF-8":                               {sources: sources{json: jsonFile + "\x00"}},
		YAMLFile + " is not YAML with activeenvironment and environments: see line 1": {sources: sources{yaml: "environments: {a: {}, A: {}}"}},
		"./config.json is not JSON with BaseURL, ClientId ":                           {sources: sources{json: "{", yaml: twoEnvironments}},
	} {
		t.Run(says, func(t *testing.T) {
			_, err := tt.find(t, tt.flag)
			require.ErrorContains(t, err, says)
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "\ufeff": "", "\ufeffa\r\n": "a\r\n", "\ufeff\ufeff": "\ufeff", "caf\u00e9": "caf\u00e9",
	} {
		got, err := Text("x", []byte(in))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	for in, want := range map[string]string{
		utf16Of(secret, false, true): "UTF-16", utf16Of(secret, true, true): "UTF-16", utf16Of(secret, false, false): "UTF-16",
		utf16Of(secret, true, false): "UTF-16", utf16Of(secret+"\u4f60", false, false): "UTF-16", "\xff\xfe": "UTF-16",
		secret + "\x00": "NUL bytes", "\x00" + secret: "NUL bytes", secret + "\xe9": "not UTF-8", "\xef\xbb" + secret: "not UTF-8",
	} {
		_, err := Text("x", []byte(in))
		require.ErrorContains(t, err, want, "%q", in)
		assert.NotContains(t, err.Error(), secret)
	}
}

func utf16Of(s string, bigEndian, mark bool) string {
	if mark {
		s = "\ufeff" + s
	}
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		low, high := byte(u), byte(u>>8)
		if bigEndian {
			low, high = high, low
		}
		b.WriteByte(low)
		b.WriteByte(high)
	}
	return b.String()
}

// If a file exists but can't be read, the error names it, and no other source is used.
func TestFindUnreadable(t *testing.T) {
	for _, name := range []string{JSONFile, YAMLFile} {
		sources{}.find(t, "") //nolint:errcheck // for the directories
		path := strings.Replace(name, "~/", "", 1)
		require.NoError(t, os.MkdirAll(path, 0o700))
		_, err := Find(Setting{}, nil)
		require.ErrorContains(t, err, name+" can't be read: it is not a regular file")
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, []byte(jsonFile), 0))
		if _, err := Find(Setting{}, nil); os.Getuid() > 0 {
			require.ErrorContains(t, err, name+" can't be read: permission denied")
		}
	}
}

// A file that would block or has no end is not read. Environments reads the same file.
func TestFindIrregularFile(t *testing.T) {
	for _, name := range []string{JSONFile, YAMLFile} {
		for kind, create := range map[string]func(path string) error{
			"pipe":   func(path string) error { return exec.Command("mkfifo", path).Run() },
			"device": func(path string) error { return os.Symlink("/dev/zero", path) },
			"large":  func(path string) error { return os.WriteFile(path, make([]byte, 1<<20+1), 0o600) },
			"large, link": func(path string) error {
				return errors.Join(os.WriteFile(path+"2", make([]byte, 1<<20+1), 0o600), os.Symlink(filepath.Base(path)+"2", path))
			},
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				sources{}.find(t, "") //nolint:errcheck // for the directories
				path := strings.Replace(name, "~/", "", 1)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				if err := create(path); err != nil {
					t.Skip(err) // not on this system
				}
				_, err := Find(Setting{}, nil)
				require.ErrorContains(t, err, name+" can't be read: it is ")
			})
		}
	}
}

// The parsers don't panic, and their errors quote no secret.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{"BaseURL":"https://acme.api.identitynow.com","ClientId":"i","ClientSecret":"SECRET"}`, `{"ClientSecret":7}`, `[]`, `null`, `{`, ``,
		"activeenvironment: a\nenvironments:\n  a:\n    baseurl: https://acme.api.identitynow.com\n    pat:\n      clientid: i\n      clientsecret: SECRET\n",
		"activeenvironment: A\nenvironments: {a: {}}", "environments: [SECRET]", "a: &a [*a]", "x: !!binary SECRET", "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (Settings, error){parseJSON, func(data []byte) (Settings, error) { return parseYAML(data, Setting{}, nil) }} {
			got, err := parse(data)
			if err != nil && !strings.Contains(got.ID.Value+got.Base.Value, "SECRET") {
				require.NotContains(t, err.Error(), "SECRET")
			}
		}
	})
}
