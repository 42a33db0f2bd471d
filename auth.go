package customizers

import (
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/internal/config"
	"github.com/connector-customizers/customizers/internal/transport"
)

const tokenPath = "/oauth/token" //nolint:gosec // a path

// An Auth is a way to authenticate. [ClientCredentials] and [TokenSource] return one.
type Auth struct {
	credentials func() credentials // a function, so that printing an Auth shows no secret
}

type credentials struct {
	clientID, clientSecret string
	source                 oauth2.TokenSource
	fromSource             bool
}

// ClientCredentials authenticates with a client ID and its secret, such as those of a
// personal access token. The client requests access tokens with the OAuth 2.0
// client-credentials grant at the tenant's /oauth/token. It renews a token shortly before it
// expires. If the service rejects a token, the client renews it once.
//
// [New] returns [ErrInvalidArgument] if either is empty, or contains anything but printable
// ASCII without spaces.
func ClientCredentials(clientID, clientSecret string) Auth {
	return Auth{func() credentials { return credentials{clientID: clientID, clientSecret: clientSecret} }}
}

// TokenSource authenticates with the tokens of src. The client calls src.Token when it first
// needs a token, shortly before the token's Expiry (never if that is zero), and once if the
// service rejects a token.
//
// Token takes no context: if a call's context ends while src.Token runs, the call returns
// and src.Token keeps running. [New] returns [ErrInvalidArgument] if src is nil.
func TokenSource(src oauth2.TokenSource) Auth {
	return Auth{func() credentials { return credentials{source: src, fromSource: true} }}
}

// check returns the credentials, or an error if they are invalid.
func (a Auth) check() (credentials, error) {
	if a.credentials == nil {
		return credentials{}, fmt.Errorf("%w: no credentials (want ClientCredentials or TokenSource)", ErrInvalidArgument)
	}
	c := a.credentials()
	if c.fromSource {
		if c.source == nil {
			return c, fmt.Errorf("%w: the token source is nil", ErrInvalidArgument)
		}
		return c, nil
	}
	for _, v := range []struct{ name, value string }{{"client ID", c.clientID}, {"client secret", c.clientSecret}} {
		if v.value == "" {
			return c, fmt.Errorf("%w: the %s is empty", ErrInvalidArgument, v.name)
		}
		if err := (config.Setting{Name: "the " + v.name, Value: v.value}).Check(); err != nil {
			return c, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
		}
	}
	return c, nil
}

// fetcher returns the token fetcher for the tenant at base.
func (c credentials) fetcher(base string, header http.Header) transport.TokenFetcher {
	if c.fromSource {
		return transport.FromSource(c.source)
	}
	return transport.FromCredentials(base+tokenPath, c.clientID, c.clientSecret, header)
}
