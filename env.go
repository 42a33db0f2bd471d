package customizers

import (
	"fmt"
	"strings"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/internal/config"
	"github.com/connector-customizers/customizers/internal/transport"
)

// NewFromEnv is [New] with the tenant and the credentials from where SailPoint's own
// tools keep them. It uses the first of these that has any setting, and no other, so that
// the secret of one tenant is never sent to another:
//
//   - the environment: SAIL_BASE_URL, with SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or with
//     SAIL_ACCESS_TOKEN, an access token, which wins and can't be renewed;
//   - ./config.json: BaseURL, ClientId, ClientSecret;
//   - ~/.sailpoint/config.yaml: baseurl, pat.clientid and pat.clientsecret of the
//     environment that activeenvironment names.
//
// A missing or unusable setting is [ErrInvalidArgument]; the error names the setting and
// its source.
func NewFromEnv(opts ...Option) (*Client, error) {
	found, looked, err := config.Find("", nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	if looked != nil {
		return nil, fmt.Errorf("%w: no tenant and no credentials; looked in %s", ErrInvalidArgument, strings.Join(looked, ", in "))
	}
	if missing := found.Missing(true); len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s not set in %s%s", ErrInvalidArgument, strings.Join(missing, " and "), found.Where, found.Tip)
	}
	auth := ClientCredentials(found.ID.Value, found.Secret.Value)
	if found.Token.Value != "" {
		token := &oauth2.Token{AccessToken: found.Token.Value}
		if err := transport.CheckToken(token); err != nil {
			return nil, fmt.Errorf("%w: %s in %s: %w", ErrInvalidArgument, found.Token.Name, found.Where, err)
		}
		auth = TokenSource(oauth2.StaticTokenSource(token))
	}
	if _, err := auth.check(); err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, found.Where)
	}
	base, err := config.BaseURL(found.Base.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: %s in %s: %w", ErrInvalidArgument, found.Base.Name, found.Where, err)
	}
	return New(base, auth, opts...)
}
