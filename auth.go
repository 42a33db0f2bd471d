package customizers

import (
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/internal/config"
	"github.com/connector-customizers/customizers/internal/transport"
)

const tokenPath = "/oauth/token" //nolint:gosec // a path

// An Auth is a way to authenticate. [ClientCredentials] and [TokenSource] return one.
type Auth struct {
	credentials func() (*credentials, error) // a function, so that printing an Auth shows no secret
}

type credentials struct {
	clientID, clientSecret string // empty for a token source
	fetcher                func(base string, header http.Header) transport.TokenFetcher
}

// ClientCredentials authenticates with a client ID and its secret, such as those of a
// personal access token. The client requests access tokens with the OAuth 2.0
// client-credentials grant at the tenant's /oauth/token. It renews a token shortly before it
// expires. If the service rejects a token, the client renews it once.
//
// [New] returns [ErrInvalidArgument] if either is empty, or contains anything but printable
// ASCII without spaces.
func ClientCredentials(clientID, clientSecret string) Auth {
	return Auth{func() (*credentials, error) {
		for _, v := range []struct{ name, value string }{{"client ID", clientID}, {"client secret", clientSecret}} {
			if v.value == "" {
				return nil, fmt.Errorf("the %s is empty", v.name)
			}
			if err := (config.Setting{Name: "the " + v.name, Value: v.value}).Check(); err != nil {
				return nil, err
			}
		}
		return &credentials{clientID, clientSecret, func(base string, header http.Header) transport.TokenFetcher {
			return transport.FromCredentials(base+tokenPath, clientID, clientSecret, header)
		}}, nil
	}}
}

// TokenSource authenticates with the tokens of src. The client calls src.Token when it first
// needs a token, shortly before the token's Expiry (never if that is zero), and once if the
// service rejects a token.
//
// Token takes no context: if a call's context ends while src.Token runs, the call returns
// and src.Token keeps running. [New] returns [ErrInvalidArgument] if src is nil.
func TokenSource(src oauth2.TokenSource) Auth {
	return Auth{func() (*credentials, error) {
		if src == nil {
			return nil, errors.New("the token source is nil")
		}
		return &credentials{fetcher: func(string, http.Header) transport.TokenFetcher { return transport.FromSource(src) }}, nil
	}}
}
