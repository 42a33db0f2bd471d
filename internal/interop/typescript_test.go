package interop_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// The sandbox serves a client generated from openapi.yaml, and SailPoint's SDK for TypeScript.
func TestTypeScriptClients(t *testing.T) {
	t.Parallel()
	require.NoError(t, os.MkdirAll("build", 0o750))
	runNode(t, nil, "openapi-typescript/bin/cli.js", "../../openapi.yaml", "-o", "build/contract.d.ts")
	runNode(t, nil, "typescript/bin/tsc")
	for _, client := range []string{"client", "sailpoint"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(10))
			t.Cleanup(srv.Close)
			env := []string{"SAIL_BASE_URL=" + srv.URL, "SAIL_CLIENT_ID=" + srv.ClientID, "SAIL_CLIENT_SECRET=" + srv.ClientSecret}
			t.Log(runNode(t, env, "../build/"+client+".js"))

			assert.Len(t, srv.Customizers(), 10)
			for _, operation := range []customizerstest.Operation{
				customizerstest.Token, customizerstest.List, customizerstest.Create, customizerstest.Get,
				customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion,
			} {
				assert.NotEmpty(t, srv.Requests(operation), operation)
			}
		})
	}
}
