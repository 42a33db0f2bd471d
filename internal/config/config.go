// Package config reads the tenant and the credentials from the variables and files of
// SailPoint's tools.
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
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Credentials are a client ID and secret, or an access token.
type Credentials struct {
	ID, Secret, Token Setting
	invalid           error // why the credentials can't be used, or nil
}

// Settings are the tenant and the credentials of one source.
type Settings struct {
	Base Setting // its value is the URL of the API
	Credentials
	Source string
	hint   string // for errors: where else a missing setting may be
}

// The sources, in the order in which [Find] reads them.
const (
	Environ  = "the environment"
	JSONFile = "./config.json"
	YAMLFile = "~/.sailpoint/config.yaml"
)

// ActiveEnvironment is the variable that selects an environment of the YAML file.
const ActiveEnvironment = "SAIL_ACTIVEENVIRONMENT"

func (s *Settings) empty() bool {
	return s.Base.Value+s.ID.Value+s.Secret.Value+s.Token.Value == ""
}

// Check returns an error that names the missing settings, or one that is invalid.
func (s *Settings) Check() error {
	if s.invalid != nil {
		return s.invalid
	}
	needed := []Setting{s.Base, s.ID, s.Secret}
	if s.Token.Value != "" {
		needed = []Setting{s.Base, s.Token}
	}
	var missing []string
	for _, n := range needed {
		if err := n.Check(); err != nil {
			return err
		}
		if n.Value == "" {
			missing = append(missing, n.Name)
		}
	}
	if len(missing) > 0 {
		verb := "is"
		if len(missing) > 1 {
			verb = "are"
		}
		return fmt.Errorf("%s %s not set in %s%s", strings.Join(missing, " and "), verb, s.Source, s.hint)
	}
	return nil
}

// A Keyring returns the secret that is stored for a service and a user, or "". Its error names
// the keyring.
type Keyring func(service, user string) (string, error)

// A NotFoundError reports that no source has a setting.
type NotFoundError struct {
	Tenant, Credentials bool // whether flags set them

	looked     []string // the sources
	unprefixed []string // variables that lack the prefix SAIL_
}

func (e *NotFoundError) Error() string {
	text := "no tenant and no credentials: set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET"
	switch {
	case e.Tenant:
		text = "no credentials: set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or use --client-id and --client-secret-file"
	case e.Credentials:
		text = "no tenant: set SAIL_BASE_URL or use --tenant"
	}
	text += " (looked in " + strings.Join(e.looked, ", ") + ")"
	if len(e.unprefixed) > 0 {
		text += "; add the prefix SAIL_ to " + strings.Join(e.unprefixed, ", ") + " in the environment"
	}
	return text
}

// Advice says where to get credentials, and how to do without.
func (e *NotFoundError) Advice() string {
	return "create a personal access token in SailPoint, under Preferences > Personal Access Tokens; " +
		"to try without an account, run 'customizers sandbox' and paste the lines that it prints"
}

// Find returns the settings of the first source that has any, and no others, so that the
// secret of one tenant is never sent to another. If no source has any, the error is a
// *NotFoundError. env selects an environment of the YAML file, which is then the only
// source. SAIL_ACTIVEENVIRONMENT does the same unless the environment has settings. The
// keyring may be nil.
func Find(env Setting, keyring Keyring) (Settings, error) {
	fromYAML := func() (Settings, error) { return readYAML(env, keyring) }
	sources := []func() (Settings, error){environment, readJSON, fromYAML}
	if env.Value != "" {
		sources = sources[2:]
	} else if env = variable(ActiveEnvironment); env.Value != "" {
		sources = []func() (Settings, error){environment, fromYAML}
	}
	none := &NotFoundError{}
	for _, read := range sources {
		s, err := read()
		if err == nil && s.Base.Value != "" {
			s.Base, err = s.Base.BaseURL()
		}
		if err != nil || !s.empty() {
			return s, err
		}
		none.looked = append(none.looked, s.Source)
	}
	if os.Getenv("CLIENT_ID")+os.Getenv("CLIENT_SECRET") != "" { // as SailPoint's CLI prints them
		for _, name := range []string{"BASE_URL", "CLIENT_ID", "CLIENT_SECRET"} {
			if os.Getenv(name) != "" {
				none.unprefixed = append(none.unprefixed, name)
			}
		}
	}
	return Settings{}, none
}

func variable(name string) Setting { return Setting{name, Environ, os.Getenv(name)} }

func environment() (Settings, error) {
	s := Settings{
		Source:      Environ,
		Base:        variable("SAIL_BASE_URL"),
		Credentials: Credentials{ID: variable("SAIL_CLIENT_ID"), Secret: variable("SAIL_CLIENT_SECRET"), Token: variable("SAIL_ACCESS_TOKEN")},
	}
	if s.Token.Value != "" {
		s.ID, s.Secret = Setting{}, Setting{}
	}
	return s, nil
}

func readJSON() (Settings, error) {
	data, err := readText(JSONFile)
	if err != nil || data == nil {
		return Settings{Source: JSONFile}, err
	}
	return parseJSON(data)
}

func parseJSON(data []byte) (Settings, error) {
	var c struct{ BaseURL, ClientID, ClientSecret string }
	if err := json.Unmarshal(data, &c); err != nil {
		return Settings{}, fmt.Errorf("%s is not JSON with BaseURL, ClientId and ClientSecret: %s", JSONFile, DescribeJSON(data, err))
	}
	setting := func(name, value string) Setting { return Setting{name, JSONFile, value} }
	return Settings{
		Source:      JSONFile,
		Base:        setting("BaseURL", c.BaseURL),
		Credentials: Credentials{ID: setting("ClientId", c.ClientID), Secret: setting("ClientSecret", c.ClientSecret)},
	}, nil
}

func readYAML(env Setting, keyring Keyring) (Settings, error) {
	data, err := readText(YAMLFile)
	s := Settings{Source: YAMLFile}
	if err != nil {
		return s, err
	}
	if data != nil {
		return parseYAML(data, env, keyring)
	}
	if home, _ := os.UserHomeDir(); home == "" {
		s.Source += " (there is no home directory)"
	}
	if env.Value != "" {
		return s, fmt.Errorf("%s names the environment %q, but %s does not exist", env, env.Value, s.Source)
	}
	return s, nil
}

// A yamlFile is the content of the YAML file.
type yamlFile struct {
	AuthType, ActiveEnvironment string
	Environments                map[string]struct {
		BaseURL string
		PAT     struct{ ClientID, ClientSecret string }
	}
}

// decodeYAML reads the file as SailPoint's CLI does: keys and names in any case, and the
// environment "default" if none is active.
func decodeYAML(data []byte) (c yamlFile, err error) {
	var root yaml.Node
	err = yaml.Unmarshal(data, &root)
	if err == nil {
		lowerKeys(&root)
		err = root.Decode(&c)
	}
	if err != nil {
		// The parser's error may quote a value, and so a secret.
		line := regexp.MustCompile(`line \d+`).FindString(err.Error())
		return c, fmt.Errorf("%s is not YAML with activeenvironment and environments: see %s", YAMLFile, cmp.Or(line, "its keys"))
	}
	c.ActiveEnvironment = cmp.Or(c.ActiveEnvironment, "default")
	return c, nil
}

func (c *yamlFile) names() []string { return slices.Sorted(maps.Keys(c.Environments)) }

// Environments returns the names of the environments in the YAML file.
func Environments() []string {
	data, _ := readText(YAMLFile)
	if data == nil {
		return nil
	}
	c, _ := decodeYAML(data)
	return c.names()
}

func parseYAML(data []byte, env Setting, keyring Keyring) (Settings, error) {
	s := Settings{Source: YAMLFile}
	c, err := decodeYAML(data)
	if err != nil {
		return s, err
	}
	switch {
	case env.Value != "":
	case len(c.Environments) == 0:
		return s, nil
	default:
		env = Setting{"activeenvironment", YAMLFile, c.ActiveEnvironment}
	}
	name := strings.ToLower(env.Value)
	e, ok := c.Environments[name]
	if !ok {
		return s, fmt.Errorf("%s has no environment %q; it has %s (see %s)", YAMLFile, env.Value, cmp.Or(strings.Join(c.names(), ", "), "none"), env)
	}
	setting := func(key, value string) Setting { return Setting{"environments." + name + "." + key, YAMLFile, value} }
	s.Base = setting("baseurl", e.BaseURL)
	s.ID = setting("pat.clientid", e.PAT.ClientID)
	s.Secret = setting("pat.clientsecret", e.PAT.ClientSecret)
	authType := variable("SAIL_AUTHTYPE")
	if authType.Value == "" {
		authType = Setting{"authtype", YAMLFile, cmp.Or(c.AuthType, "pat")}
	}
	if !strings.EqualFold(authType.Value, "pat") {
		s.invalid = fmt.Errorf("%s is %q, a login that only SailPoint's CLI can use: set it to pat and use a personal access token, "+
			"or set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET", authType, authType.Value)
		return s, nil
	}
	s.addFromKeyring(keyring, name)
	return s, nil
}

// lowerKeys converts the keys of all mappings in n to lower case.
func lowerKeys(n *yaml.Node) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			child.Value = strings.ToLower(child.Value)
		}
		lowerKeys(child)
	}
}

// addFromKeyring adds the credentials that the file lacks from the keyring. SailPoint's CLI
// stores them under the environment's name in lower case.
func (s *Settings) addFromKeyring(keyring Keyring, env string) {
	if keyring == nil {
		s.hint = " (if SailPoint's CLI keeps it in the system's keyring, set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET)"
		return
	}
	s.hint = " or the system's keyring"
	for _, k := range []struct {
		setting *Setting
		service string
	}{{&s.ID, "environments.pat.clientid"}, {&s.Secret, "environments.pat.clientsecret"}} {
		if k.setting.Value != "" {
			continue
		}
		value, err := keyring(k.service, env)
		if err != nil {
			s.hint = fmt.Sprintf(" (and %v; set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET instead)", err)
			return
		}
		if value != "" {
			*k.setting = Setting{Name: k.service + " of " + env + " in the system's keyring", Value: value}
		}
	}
}

// readText reads the text file of a source, or nil if there is none.
func readText(name string) ([]byte, error) {
	path := filepath.Clean(name)
	if inHome, ok := strings.CutPrefix(name, "~"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil //nolint:nilerr // no home, so no file
		}
		path = filepath.Join(home, inHome)
	}
	data, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err // without the path, because name stands for it
		}
		return nil, fmt.Errorf("%s can't be read: %w", name, err)
	}
	return Text(name, data)
}

// readRegular reads a regular file of at most 1 MiB. A pipe would block, and a device may have
// no end.
func readRegular(path string) ([]byte, error) {
	const maxSize = 1 << 20
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > maxSize:
		return nil, errors.New("it is larger than 1 MiB")
	}
	return os.ReadFile(path) //nolint:gosec // the files of the sources
}

// DescribeJSON describes an error of json.Unmarshal without quoting the JSON.
func DescribeJSON(data []byte, err error) string {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("invalid JSON on line %d", 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")))
	case errors.As(err, &mistyped):
		return strings.TrimSpace(fmt.Sprintf("%s is a JSON %s", cmp.Or(mistyped.Field, "it"), mistyped.Value))
	}
	return "it can't be decoded"
}
