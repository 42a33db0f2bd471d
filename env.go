package customizers

import (
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/internal/config"
)

// NewFromEnv calls [New] with the tenant and the credentials from the variables and files of
// SailPoint's tools. It uses only the first of these sources that has any setting, so that
// the secret of one tenant is never sent to another:
//
//   - the environment: SAIL_BASE_URL, with SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or with
//     SAIL_ACCESS_TOKEN, an access token, which takes precedence and can't be renewed;
//   - ./config.json: BaseURL, ClientId, ClientSecret;
//   - ~/.sailpoint/config.yaml: baseurl, pat.clientid and pat.clientsecret of the active
//     environment, in any case.
//
// The active environment of the YAML file is the one that the variable
// SAIL_ACTIVEENVIRONMENT names, otherwise activeenvironment in the file, otherwise "default".
// If the variable is set, ./config.json is not read; the variables of the first source still
// take precedence. An authtype other than pat, in SAIL_AUTHTYPE or the file, is an error.
//
// If a setting is missing or invalid, the error is [ErrInvalidArgument] and names the setting
// and its source.
func NewFromEnv(opts ...Option) (*Client, error) {
	found, err := config.Find(config.Setting{}, nil)
	if none := (*config.NotFoundError)(nil); errors.As(err, &none) {
		err = fmt.Errorf("%w; %s", err, none.Advice())
	}
	if err == nil {
		err = found.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	auth := ClientCredentials(found.ID.Value, found.Secret.Value)
	if found.Token.Value != "" {
		auth = TokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: found.Token.Value}))
	}
	return New(found.Base.Value, auth, opts...)
}
