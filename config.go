package customizers

import (
	"fmt"
	"strings"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/internal/config"
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
	f, looked, err := config.Find("", nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRequest, err)
	}
	if looked != nil {
		return nil, fmt.Errorf("%w: no tenant and no credentials; looked in %s", ErrInvalidRequest, strings.Join(looked, ", in "))
	}
	return s.withFound(f)
}

// withFound makes the client of what a source says.
func (s *settings) withFound(f config.Source) (*Client, error) {
	missing := f.Missing(!s.hasCredentials())
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s not set in %s%s", ErrInvalidRequest, strings.Join(missing, " and "), f.Where, f.Tip)
	}
	if !s.hasCredentials() {
		give := WithClientCredentials(f.ID.Value, f.Secret.Value)
		if f.Token.Value != "" {
			token := &oauth2.Token{AccessToken: f.Token.Value}
			if err := checkToken(token); err != nil {
				return nil, fmt.Errorf("%w: %s in %s: %w", ErrInvalidRequest, f.Token.Name, f.Where, err)
			}
			give = WithTokenSource(oauth2.StaticTokenSource(token))
		}
		if err := give(s); err != nil {
			return nil, fmt.Errorf("%w: in %s: %w", ErrInvalidRequest, f.Where, err)
		}
	}
	base, err := config.BaseURL(f.Base.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: %s in %s: %w", ErrInvalidRequest, f.Base.Name, f.Where, err)
	}
	return s.client(base)
}
