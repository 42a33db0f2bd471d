package customizerstest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

const (
	instances = "/beta/connector-instances"
	logs      = "/beta/platform-logs/query"
	unlink    = `[{"op":"remove","path":"/connectorCustomizerId"}]`
)

func link(op, id string) string {
	return `[{"op":"` + op + `","path":"/connectorCustomizerId","value":"` + id + `"}]`
}

func TestInstances(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithInstanceCount(2), customizerstest.WithCustomizerCount(2))
	p := newPeer(t, srv)
	all, one, two := srv.Instances(), srv.Customizers()[0].ID, srv.Customizers()[1].ID
	require.Len(t, all, 2)
	assert.Equal(t, "instance-000001", all[0].Name)
	steps := []struct{ contentType, body, linked string }{
		{"", link("replace", one), one}, // SailPoint's CLI sends no Content-Type
		{"application/json", link("replace", two), two},
		{"application/json", unlink, ""},
		{"application/json-patch+json", link("add", one), one},
		{"application/json; charset=utf-8", unlink[:len(unlink)-1] + "," + link("add", two)[1:], two},
		{"", `[]`, two},
	}
	for _, s := range steps {
		got := p.send(http.MethodPatch, instances+"/"+all[0].ID, s.contentType, s.body)
		require.Equal(t, http.StatusOK, got.status, string(got.body))
		all[0].CustomizerID = s.linked
		assert.Equal(t, all[0], decode[customizerstest.Instance](t, got))
		assert.Equal(t, all, srv.Instances())
	}
	assert.JSONEq(t, `[{"id":"`+all[0].ID+`","name":"instance-000001","connectorCustomizerId":"`+two+`"},{"id":"`+all[1].ID+`","name":"instance-000002"}]`,
		string(p.get(instances).body))
	require.NoError(t, srv.Client().Delete(t.Context(), two))
	assert.Empty(t, srv.Instances()[0].CustomizerID, "deleting a customizer unlinks it")
	assert.JSONEq(t, `[]`, string(newPeer(t, serve(t)).get(instances).body))
	assert.Len(t, srv.Requests(customizerstest.ListInstances), 1)
	assert.Len(t, srv.Requests(customizerstest.UpdateInstance), len(steps))
}

// The endpoints are under each version that SailPoint lists for them.
func TestInstancesVersions(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithInstanceCount(1), customizerstest.WithCustomizerCount(1))
	p := newPeer(t, srv)
	for _, format := range []string{"/beta/%s", "/v2024/%s", "/v2025/%s", "/v2026/%s", "/%s/v1"} {
		base := fmt.Sprintf(format, "connector-instances")
		all := decode[[]customizerstest.Instance](t, p.get(base))
		require.Equal(t, srv.Instances(), all, base)
		assert.Equal(t, http.StatusOK, p.send(http.MethodPatch, base+"/"+all[0].ID, "", link("replace", srv.Customizers()[0].ID)).status, base)
		assert.Equal(t, http.StatusOK, p.send(http.MethodPatch, base+"/"+all[0].ID, "", unlink).status, base)
		assert.Equal(t, http.StatusOK, p.send(http.MethodPost, fmt.Sprintf(format, "platform-logs")+"/query", recordType, "{}").status, base)
	}
}

func TestInstancesErrors(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithInstanceCount(1), customizerstest.WithCustomizers(customizers.Customizer{ID: "an-id", Name: "one"}))
	p := newPeer(t, srv)
	one := instances + "/" + srv.Instances()[0].ID
	tests := map[string]struct {
		method, path, contentType, body string
		status                          int
		text                            string
	}{
		"unknown customizer": {http.MethodPatch, one, "", link("replace", "gone"), 400, "id gone"},
		"absent link":        {http.MethodPatch, one, "", unlink, 400, "No connector customizer is linked"},
		"second is invalid":  {http.MethodPatch, one, "", link("add", "an-id")[:len(link("add", "an-id"))-1] + `,{"op":"test"}]`, 400, "can't be patched"},
		"another path":       {http.MethodPatch, one, "", `[{"op":"replace","path":"/name","value":"x"}]`, 400, `"/name" can't be patched`},
		"another op":         {http.MethodPatch, one, "", link("test", "an-id"), 400, `"test" is not supported`},
		"no value":           {http.MethodPatch, one, "", `[{"op":"replace","path":"/connectorCustomizerId"}]`, 400, "value is missing"},
		"a number":           {http.MethodPatch, one, "", `[{"op":"replace","path":"/connectorCustomizerId","value":5}]`, 400, "JSON Patch"},
		"an object":          {http.MethodPatch, one, "", `{"connectorCustomizerId":"an-id"}`, 400, "JSON Patch"},
		"too large":          {http.MethodPatch, one, "", strings.Repeat(" ", 1<<20) + unlink, 400, "JSON Patch"},
		"another type":       {http.MethodPatch, one, "text/plain", link("add", "an-id"), 400, "Content-Type"},
		"unknown instance":   {http.MethodPatch, instances + "/go%20ne", "", link("add", "an-id"), 404, "id go ne"},
		"no instance":        {http.MethodPatch, instances, "", link("add", "an-id"), 405, "not supported"},
	}
	for name, tt := range tests {
		assertError(t, p.send(tt.method, tt.path, tt.contentType, tt.body), tt.status, tt.text)
		assert.Empty(t, srv.Instances()[0].CustomizerID, name)
	}
}
