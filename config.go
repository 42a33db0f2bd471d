package customizers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/oauth2"
)

// NewFromEnv is [New] with the tenant and the credentials from where SailPoint's own
// tools keep them. The first of these that says anything is used, alone, so that one
// tenant's secret is never sent to another:
//
//   - the environment: SAIL_BASE_URL, with SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or
//     with SAIL_ACCESS_TOKEN, a token one already has, which wins and can't be renewed;
//   - ./config.json: BaseURL, ClientId, ClientSecret;
//   - ~/.sailpoint/config.yaml: of the environment that activeenvironment names,
//     baseurl, pat.clientid and pat.clientsecret.
//
// Credentials given as options win over those found. What is missing gives an error
// that wraps [ErrInvalidRequest] and says where it was looked for.
func NewFromEnv(opts ...Option) (*Client, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	var looked []string
	for _, read := range []func() (found, error){fromEnvironment, fromConfigJSON, fromConfigYAML} {
		f, err := read()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalidRequest, err)
		}
		if !f.any() {
			looked = append(looked, f.where)
			continue
		}
		return s.withFound(f)
	}
	return nil, fmt.Errorf("%w: no tenant and no credentials; looked in %s", ErrInvalidRequest, strings.Join(looked, ", in "))
}

// A found is what one source says, and how it names things.
type found struct {
	where            string
	base, id, secret setting
	token            setting
	tip              string // where else a secret that is missing may be
}

type setting struct{ name, value string }

func (f *found) any() bool {
	return f.base.value != "" || f.id.value != "" || f.secret.value != "" || f.token.value != ""
}

// withFound makes the client of what a source says.
func (s *settings) withFound(f found) (*Client, error) {
	needed := []setting{f.base}
	if !s.hasCredentials() && f.token.value == "" {
		needed = append(needed, f.id, f.secret)
	}
	var missing []string
	for _, n := range needed {
		if n.value == "" {
			missing = append(missing, n.name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s not set in %s%s", ErrInvalidRequest, strings.Join(missing, " and "), f.where, f.tip)
	}
	if !s.hasCredentials() {
		give := WithClientCredentials(f.id.value, f.secret.value)
		if f.token.value != "" {
			token := &oauth2.Token{AccessToken: f.token.value}
			if err := checkToken(token); err != nil {
				return nil, fmt.Errorf("%w: %s in %s: %w", ErrInvalidRequest, f.token.name, f.where, err)
			}
			give = WithTokenSource(oauth2.StaticTokenSource(token))
		}
		if err := give(s); err != nil {
			return nil, fmt.Errorf("%w: in %s: %w", ErrInvalidRequest, f.where, err)
		}
	}
	base, err := baseURL(f.base.value)
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", f.base.name, f.where, err)
	}
	return s.client(base)
}

func fromEnvironment() (found, error) {
	env := func(name string) setting { return setting{name, os.Getenv(name)} }
	return found{
		where:  "the environment",
		base:   env("SAIL_BASE_URL"),
		id:     env("SAIL_CLIENT_ID"),
		secret: env("SAIL_CLIENT_SECRET"),
		token:  env("SAIL_ACCESS_TOKEN"),
	}, nil
}

const (
	configJSON = "./config.json"
	configYAML = "~/.sailpoint/config.yaml"
)

func fromConfigJSON() (found, error) {
	data, err := readIfThere(filepath.Clean(configJSON))
	if err != nil || data == nil {
		return found{where: configJSON}, err
	}
	return parseConfigJSON(data)
}

func parseConfigJSON(data []byte) (found, error) {
	f := found{where: configJSON}
	var c struct{ BaseURL, ClientID, ClientSecret string }
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors' mark of UTF-8
	if err := json.Unmarshal(data, &c); err != nil {
		return f, fmt.Errorf("%s is not JSON with BaseURL, ClientId and ClientSecret: %s", configJSON, positionOf(err))
	}
	f.base, f.id, f.secret = setting{"BaseURL", c.BaseURL}, setting{"ClientId", c.ClientID}, setting{"ClientSecret", c.ClientSecret}
	return f, nil
}

func fromConfigYAML() (found, error) {
	home, _ := os.UserHomeDir()
	if home == "" {
		return found{where: configYAML + " (there is no home directory)"}, nil
	}
	data, err := readIfThere(filepath.Join(home, ".sailpoint", "config.yaml"))
	if err != nil || data == nil {
		return found{where: configYAML}, err
	}
	return parseConfigYAML(data)
}

func parseConfigYAML(data []byte) (found, error) {
	f := found{where: configYAML}
	type environment struct {
		BaseURL string
		PAT     struct{ ClientID, ClientSecret string }
	}
	var c struct {
		ActiveEnvironment string
		Environments      map[string]environment
	}
	if err := yaml.Unmarshal(data, &c); err != nil {
		// The parser's error may quote a value, and so a secret.
		return f, fmt.Errorf("%s can't be read as YAML with activeenvironment and environments", configYAML)
	}
	if c.ActiveEnvironment == "" && len(c.Environments) == 0 {
		return f, nil
	}
	var e environment
	ok := false
	for name := range c.Environments {
		if strings.EqualFold(name, c.ActiveEnvironment) { // the file's own tools ignore case
			e, ok = c.Environments[name], true
		}
	}
	if !ok {
		return f, fmt.Errorf("%s has activeenvironment %q, and no such environment", configYAML, c.ActiveEnvironment)
	}
	at := "environments." + c.ActiveEnvironment + "."
	f.base = setting{at + "baseurl", e.BaseURL}
	f.id = setting{at + "pat.clientid", e.PAT.ClientID}
	f.secret = setting{at + "pat.clientsecret", e.PAT.ClientSecret}
	f.tip = " (if SailPoint's CLI keeps it in the system's keyring, set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET)"
	return f, nil
}

// readIfThere reads a file, or nothing when there is none.
func readIfThere(path string) ([]byte, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the two files that NewFromEnv names
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// positionOf tells where JSON went wrong, without quoting it.
func positionOf(err error) string {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("%v at byte %d", err, syntax.Offset)
	case errors.As(err, &mistyped):
		return strings.TrimSpace(fmt.Sprintf("%s is a JSON %s", firstOf(mistyped.Field, "it"), mistyped.Value))
	}
	return "it can't be decoded"
}
