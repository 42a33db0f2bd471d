package api_test

import (
	"context"
	"fmt"
	"log"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/api"
	"github.com/connector-customizers/customizers/customizerstest"
)

// The generated client sends its requests through the SDK's client, with its token, retries and
// rate limit. Its server is the version's path, which is relative to the tenant's URL.
func ExampleNewClientWithResponses() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(customizers.Customizer{ID: "one", Name: "hr-feed"}))
	defer srv.Close()
	tenant := srv.Client() // a *customizers.Client

	client, err := api.NewClientWithResponses("/v2024", api.WithHTTPClient(tenant))
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.GetConnectorCustomizerWithResponse(context.Background(), "one")
	if err != nil {
		log.Fatal(err)
	}
	if response.JSON200 == nil {
		log.Fatal(response.Status())
	}
	fmt.Println(response.JSON200.Name)
	// Output: hr-feed
}
