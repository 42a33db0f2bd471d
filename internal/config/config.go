// Package config finds the tenant and the credentials where SailPoint's own tools keep
// them.
package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Source is what one place says, and how it names things.
type Source struct {
	Where            string
	Base, ID, Secret Setting
	Token            Setting
	Tip              string // where else a secret that is missing may be
}

// A Setting is a value and its name at its source.
type Setting struct{ Name, Value string }

// Any tells whether the source says anything.
func (s *Source) Any() bool {
	return s.Base.Value != "" || s.ID.Value != "" || s.Secret.Value != "" || s.Token.Value != ""
}

// Missing names what the source leaves out of the tenant and, when they are asked for,
// the credentials.
func (s *Source) Missing(credentials bool) []string {
	needed := []Setting{s.Base}
	if credentials && s.Token.Value == "" {
		needed = append(needed, s.ID, s.Secret)
	}
	var missing []string
	for _, n := range needed {
		if n.Value == "" {
			missing = append(missing, n.Name)
		}
	}
	return missing
}

// The places that are looked in, in this order.
const (
	Environ  = "the environment"
	JSONFile = "./config.json"
	YAMLFile = "~/.sailpoint/config.yaml"
)

// A Keyring gives the secret of a user of a service, or none.
type Keyring func(service, user string) (string, error)

// Find returns the first source that says anything, alone, so that one tenant's secret
// is never sent to another. When none does, looked tells where. When env names one of
// the environments of the YAML file, that is the only source. The keyring may be nil.
func Find(env string, keyring Keyring) (s Source, looked []string, err error) {
	fromYAML := func() (Source, error) { return readYAML(env, keyring) }
	sources := []func() (Source, error){environment, readJSON, fromYAML}
	if env != "" {
		sources = []func() (Source, error){fromYAML}
	}
	for _, read := range sources {
		s, err := read()
		if err != nil || s.Any() {
			return s, nil, err
		}
		looked = append(looked, s.Where)
	}
	return Source{}, looked, nil
}

func environment() (Source, error) {
	env := func(name string) Setting { return Setting{name, os.Getenv(name)} }
	return Source{
		Where:  Environ,
		Base:   env("SAIL_BASE_URL"),
		ID:     env("SAIL_CLIENT_ID"),
		Secret: env("SAIL_CLIENT_SECRET"),
		Token:  env("SAIL_ACCESS_TOKEN"),
	}, nil
}

func readJSON() (Source, error) {
	data, err := readIfThere(filepath.Clean(JSONFile))
	if err != nil || data == nil {
		return Source{Where: JSONFile}, err
	}
	return parseJSON(data)
}

func parseJSON(data []byte) (Source, error) {
	s := Source{Where: JSONFile}
	var c struct{ BaseURL, ClientID, ClientSecret string }
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors' mark of UTF-8
	if err := json.Unmarshal(data, &c); err != nil {
		return s, fmt.Errorf("%s is not JSON with BaseURL, ClientId and ClientSecret: %s", JSONFile, positionOf(err))
	}
	s.Base, s.ID, s.Secret = Setting{"BaseURL", c.BaseURL}, Setting{"ClientId", c.ClientID}, Setting{"ClientSecret", c.ClientSecret}
	return s, nil
}

func readYAML(env string, keyring Keyring) (Source, error) {
	home, _ := os.UserHomeDir()
	var data []byte
	where := YAMLFile
	if home == "" {
		where += " (there is no home directory)"
	} else {
		var err error
		if data, err = readIfThere(filepath.Join(home, ".sailpoint", "config.yaml")); err != nil {
			return Source{Where: where}, err
		}
	}
	if data == nil {
		if env != "" {
			return Source{Where: where}, fmt.Errorf("there is no %s to have the environment %q", where, env)
		}
		return Source{Where: where}, nil
	}
	return parseYAML(data, env, keyring)
}

func parseYAML(data []byte, env string, keyring Keyring) (Source, error) {
	s := Source{Where: YAMLFile}
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
		return s, fmt.Errorf("%s can't be read as YAML with activeenvironment and environments", YAMLFile)
	}
	if env == "" && c.ActiveEnvironment == "" && len(c.Environments) == 0 {
		return s, nil
	}
	names := slices.Sorted(maps.Keys(c.Environments))
	wanted := env
	if env == "" {
		wanted = c.ActiveEnvironment
	}
	at := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, wanted) }) // the file's own tools ignore case
	switch {
	case at < 0 && env != "":
		return s, fmt.Errorf("%s has no environment %q; it has %s", YAMLFile, env, cmp.Or(strings.Join(names, ", "), "none"))
	case at < 0:
		return s, fmt.Errorf("%s has activeenvironment %q, and no such environment", YAMLFile, c.ActiveEnvironment)
	}
	e, prefix := c.Environments[names[at]], "environments."+wanted+"."
	s.Base = Setting{prefix + "baseurl", e.BaseURL}
	s.ID = Setting{prefix + "pat.clientid", e.PAT.ClientID}
	s.Secret = Setting{prefix + "pat.clientsecret", e.PAT.ClientSecret}
	if keyring == nil {
		s.Tip = " (if SailPoint's CLI keeps it in the system's keyring, set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET)"
		return s, nil
	}
	s.ask(keyring, names[at])
	return s, nil
}

// ask takes what the file leaves out of the credentials from the keyring, where the
// file's own tool keeps them.
func (s *Source) ask(keyring Keyring, env string) {
	for _, k := range []struct {
		setting *Setting
		service string
	}{{&s.ID, "environments.pat.clientid"}, {&s.Secret, "environments.pat.clientsecret"}} {
		if k.setting.Value != "" {
			continue
		}
		value, err := keyring(k.service, env)
		if err != nil {
			s.Tip = fmt.Sprintf(" (nor can the system's keyring be read: %v)", err)
			return
		}
		if value != "" {
			*k.setting = Setting{k.service + " of " + env + " in the system's keyring", value}
		}
	}
}

// readIfThere reads a file, or nothing when there is none.
func readIfThere(path string) ([]byte, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the two files named above
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
		return strings.TrimSpace(fmt.Sprintf("%s is a JSON %s", cmp.Or(mistyped.Field, "it"), mistyped.Value))
	}
	return "it can't be decoded"
}
