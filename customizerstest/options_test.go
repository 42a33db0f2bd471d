package customizerstest_test

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// kept is what a tenant may start with.
var kept = customizerstest.State{
	TenantID:     "kept-tenant",
	ClientID:     "kept-id",
	ClientSecret: "kept-secret",
	Customizers:  []customizers.Customizer{{ID: "kept", Name: "kept", ImageVersion: 1}},
	Versions:     map[string][]customizerstest.Version{"kept": {{}}},
	Instances:    []customizerstest.Instance{{ID: "kept", Name: "kept", CustomizerID: "kept"}},
}

// Options are the same in any order, each with each.
func TestOptionsInAnyOrder(t *testing.T) {
	t.Parallel()
	type view struct {
		address, clientID, clientSecret, tenantID string
		customizers                               []string
		instances                                 []string
		versions                                  int
		token                                     map[string]any
		statuses                                  []int
		hooked                                    int
	}
	// look sees all that an option can change.
	look := func(t *testing.T, names ...string) view {
		var v view
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		options := optionsWith(l, func(customizerstest.Request) { v.hooked++ })
		var opts []customizerstest.Option
		for _, name := range names {
			opts = append(opts, options[name])
		}
		srv := customizerstest.NewServer(opts...)
		defer srv.Close()

		given := func(value string) string {
			if strings.HasPrefix(value, "given") || strings.HasPrefix(value, "kept") {
				return value
			}
			return "random"
		}
		v.address = strings.ReplaceAll(srv.URL, l.Addr().String(), "the listener")
		if strings.HasPrefix(v.address, "http://127.0.0.1:") {
			v.address = "a port"
		}
		v.clientID, v.clientSecret, v.tenantID = given(srv.ClientID), given(srv.ClientSecret), given(srv.State().TenantID)
		for _, c := range srv.Customizers() {
			v.customizers = append(v.customizers, c.Name+" of "+given(c.TenantID))
		}
		for _, i := range srv.Instances() {
			v.instances = append(v.instances, i.Name)
		}
		v.versions = len(srv.Versions("kept"))

		send := func(method, path, contentType, body string) []byte {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			if token, ok := v.token["access_token"].(string); ok {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, r)
			v.statuses = append(v.statuses, w.Code)
			return w.Body.Bytes()
		}
		form := "grant_type=client_credentials&client_id=" + srv.ClientID + "&client_secret=" + srv.ClientSecret
		require.NoError(t, json.Unmarshal(send(http.MethodPost, "/oauth/token", "application/x-www-form-urlencoded", form), &v.token))
		send(http.MethodPost, collection, recordType, `{"name":"one"}`)
		send(http.MethodGet, collection, "", "")
		delete(v.token, "access_token")
		return v
	}
	names := slices.Sorted(maps.Keys(optionsWith(nil, nil)))
	for i, one := range names {
		for _, other := range names[:i] {
			t.Run(one+" and "+other, func(t *testing.T) {
				t.Parallel()
				assert.Equal(t, look(t, one, other), look(t, other, one))
			})
		}
	}
}

// optionsWith has an option of each kind, by its name.
func optionsWith(l net.Listener, hook func(customizerstest.Request)) map[string]customizerstest.Option {
	return map[string]customizerstest.Option{
		"WithCustomizers":   customizerstest.WithCustomizers(customizers.Customizer{ID: "given", Name: "given"}),
		"WithSeed":          customizerstest.WithSeed(2),
		"WithInstances":     customizerstest.WithInstances(2),
		"WithCredentials":   customizerstest.WithCredentials("given-id", "given-secret"),
		"WithTokenLifetime": customizerstest.WithTokenLifetime(time.Minute),
		"WithScopes":        customizerstest.WithScopes("sp:connector:read"),
		"WithRateLimit":     customizerstest.WithRateLimit(1, time.Hour),
		"WithCreateStatus":  customizerstest.WithCreateStatus(http.StatusOK),
		"WithRequestHook":   customizerstest.WithRequestHook(hook),
		"WithListener":      customizerstest.WithListener(l),
		"WithoutSocket":     customizerstest.WithoutSocket(),
		"WithState":         customizerstest.WithState(kept),
	}
}

// The credentials given win over those of a state, and those of a state over random ones.
func TestCredentialsAndState(t *testing.T) {
	t.Parallel()
	none := kept
	none.ClientID, none.ClientSecret = "", ""
	given := customizerstest.WithCredentials("given-id", "given-secret")
	tests := map[string]struct {
		opts       []customizerstest.Option
		id, secret string // random when empty
	}{
		"given first":       {opts: []customizerstest.Option{given, customizerstest.WithState(kept)}, id: "given-id", secret: "given-secret"},
		"given last":        {opts: []customizerstest.Option{customizerstest.WithState(kept), given}, id: "given-id", secret: "given-secret"},
		"a state":           {opts: []customizerstest.Option{customizerstest.WithState(kept)}, id: "kept-id", secret: "kept-secret"},
		"a state of none":   {opts: []customizerstest.Option{customizerstest.WithState(none)}},
		"given before none": {opts: []customizerstest.Option{given, customizerstest.WithState(none)}, id: "given-id", secret: "given-secret"},
		"the last state":    {opts: []customizerstest.Option{customizerstest.WithState(kept), customizerstest.WithState(none)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, append(tt.opts, customizerstest.WithoutSocket())...)
			if tt.id != "" {
				assert.Equal(t, tt.id, srv.ClientID)
				assert.Equal(t, tt.secret, srv.ClientSecret)
			} else {
				assert.Regexp(t, "^sandbox-", srv.ClientID)
				assert.NotEmpty(t, srv.ClientSecret)
			}
			assert.Equal(t, "kept-tenant", srv.State().TenantID)
			_, err := srv.Client().Get(t.Context(), "kept")
			assert.NoError(t, err)
		})
	}
}
