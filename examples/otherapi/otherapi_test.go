package otherapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/examples/otherapi"
)

var _ otherapi.HttpRequestDoer = (*customizers.Client)(nil)

// The generated client lists, links and unlinks instances through the SDK's client, which renews
// the token and retries.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(1), customizerstest.WithInstanceCount(2))
	t.Cleanup(srv.Close)
	srv.Inject(
		customizerstest.Fault{Operation: customizerstest.ListInstances, Status: http.StatusServiceUnavailable},
		customizerstest.Fault{Operation: customizerstest.UpdateInstance, ExpireToken: true},
	)
	other, err := otherapi.New(srv.Client())
	require.NoError(t, err)

	list, err := other.ListConnectorInstancesWithResponse(t.Context())
	require.NoError(t, err)
	require.NotNil(t, list.JSON200)
	require.Len(t, *list.JSON200, 2)
	assert.Len(t, srv.Requests(customizerstest.ListInstances), 2, "the 503 was retried")

	instance, customizer := (*list.JSON200)[0], srv.Customizers()[0]
	linked, err := other.PatchConnectorInstanceWithResponse(t.Context(), instance.Id, []otherapi.PatchOperation{
		{Op: otherapi.Replace, Path: "/connectorCustomizerId", Value: &customizer.ID},
	})
	require.NoError(t, err)
	require.NotNil(t, linked.JSON200)
	assert.Equal(t, customizer.ID, *linked.JSON200.ConnectorCustomizerId)
	assert.Equal(t, customizer.ID, srv.Instances()[0].CustomizerID)

	_, err = other.PatchConnectorInstanceWithResponse(t.Context(), instance.Id, []otherapi.PatchOperation{
		{Op: otherapi.Remove, Path: "/connectorCustomizerId"},
	})
	require.NoError(t, err)
	assert.Empty(t, srv.Instances()[0].CustomizerID)
	assert.Len(t, srv.Requests(customizerstest.Token), 2, "the SDK's client renewed the token")
}

// A status other than 2xx is an error of the SDK with the service's details.
func TestGeneratedClientErrors(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer(customizerstest.WithInstanceCount(1))
	t.Cleanup(srv.Close)
	other, err := otherapi.New(srv.Client())
	require.NoError(t, err)
	remove := []otherapi.PatchOperation{{Op: otherapi.Remove, Path: "/connectorCustomizerId"}}

	_, err = other.PatchConnectorInstanceWithResponse(t.Context(), "no such/id", remove)
	require.ErrorIs(t, err, customizers.ErrNotFound)
	_, err = other.PatchConnectorInstanceWithResponse(t.Context(), srv.Instances()[0].ID, remove)
	require.ErrorIs(t, err, customizers.ErrBadRequest)
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.NotEmpty(t, e.TrackingID)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.UpdateInstance, Reset: true})
	_, err = other.PatchConnectorInstanceWithResponse(t.Context(), srv.Instances()[0].ID, remove)
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
}
