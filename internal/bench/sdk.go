package main

import (
	"net/http"
	"os"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

// sdk is a client that uses the SDK.
type sdk struct{ *customizers.Client }

func newSDK(url string, h *http.Client) sdk {
	return sdk{must(customizers.New(url,
		customizers.TokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})),
		customizers.WithoutRateLimit(),
		customizers.WithHTTPClient(h)))}
}

func (s sdk) get()                    { must(s.Get(ctx, id)) }
func (s sdk) list(limit int)          { must(s.List(ctx, customizers.ListOptions{Limit: limit})) }
func (s sdk) create()                 { must(s.Create(ctx, customizers.CreateRequest{Name: "n"})) }
func (s sdk) update()                 { must(s.Update(ctx, id, customizers.UpdateRequest{Name: "n"})) }
func (s sdk) upload(archive *os.File) { must(s.CreateVersion(ctx, id, archive)) }

func (s sdk) all() (records int) {
	for _, err := range s.All(ctx, customizers.ListOptions{Limit: 250}) {
		check(err)
		records++
	}
	return records
}
