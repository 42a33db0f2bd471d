// Package otherapi calls an API of the tenant that the SDK lacks, with a client that
// oapi-codegen generates from the API's contract, openapi.yaml. The requests go through the
// SDK's client, so they share its token, rate limit, retries and logging.
//
//	client, err := customizers.NewFromEnv()
//	...
//	other, err := otherapi.New(client)
//	...
//	resp, err := other.ListConnectorInstancesWithResponse(ctx)
//
// The contract describes connector instances, as an example. For these, the SDK has the package
// instances.
package otherapi

import (
	"net/http"

	"github.com/connector-customizers/customizers"
)

//go:generate go tool -modfile=../../internal/tools/codegen/go.mod oapi-codegen -config oapi-codegen.yaml openapi.yaml

// New returns a generated client that sends its requests through the SDK's client. The base path
// /beta is relative to the tenant's URL.
func New(client *customizers.Client) (*ClientWithResponses, error) {
	return NewClientWithResponses("/beta", WithHTTPClient(doer{client}))
}

// A doer returns an error of the SDK for a status other than 2xx. A [*customizers.Client] alone
// returns such a response without an error.
type doer struct{ client *customizers.Client }

// Do implements HttpRequestDoer.
func (d doer) Do(req *http.Request) (*http.Response, error) {
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := customizers.CheckResponse(resp); err != nil {
		return nil, err
	}
	return resp, nil
}
