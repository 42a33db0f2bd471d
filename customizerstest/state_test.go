package customizerstest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// stored is the initial state of a tenant.
var stored = customizerstest.State{
	TenantID:     "stored-tenant",
	ClientID:     "stored-id",
	ClientSecret: "stored-secret",
	Customizers:  []customizers.Customizer{{ID: "stored", Name: "stored", ImageVersion: 1}},
	Versions:     map[string][]customizerstest.Version{"stored": {{}}, "gone": {{}}},
	Instances:    []customizerstest.Instance{{ID: "stored", Name: "stored", CustomizerID: "stored"}},
}

func TestState(t *testing.T) {
	t.Parallel()
	first := serve(t, customizerstest.WithCustomizerCount(2), customizerstest.WithState(stored))
	made := first.Add("hr-feed")[0]
	assert.Equal(t, "stored-tenant", made.TenantID)
	_, err := first.Client().CreateVersion(t.Context(), made.ID, nil)
	require.NoError(t, err)
	data, err := json.Marshal(first.State())
	require.NoError(t, err)
	var st customizerstest.State
	require.NoError(t, json.Unmarshal(data, &st))
	second := serve(t, customizerstest.WithState(st))
	assert.Equal(t, first.State(), second.State())
	assert.Len(t, second.Customizers(), 4)
	assert.Equal(t, stored.Instances, second.Instances())
	assert.Empty(t, second.Versions("gone"))
	again, err := second.Client().CreateVersion(t.Context(), made.ID, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 2, again.Version)
	assert.Len(t, first.Versions(made.ID), 1, "State returns a copy")
}

// Credentials of an option override those of a state, which override random ones.
func TestCredentialsAndState(t *testing.T) {
	t.Parallel()
	none := stored
	none.ClientID, none.ClientSecret = "", ""
	withCredentials, withState, withNone := customizerstest.WithCredentials("given-id", "given-secret"), customizerstest.WithState(stored), customizerstest.WithState(none)
	tests := map[string]struct {
		opts []customizerstest.Option
		id   string
	}{
		"credentials first":              {[]customizerstest.Option{withCredentials, withState}, "given-id"},
		"credentials last":               {[]customizerstest.Option{withState, withCredentials}, "given-id"},
		"a state":                        {[]customizerstest.Option{withState}, "stored-id"},
		"a state without any":            {[]customizerstest.Option{withNone}, "sandbox-"},
		"credentials, state without any": {[]customizerstest.Option{withCredentials, withNone}, "given-id"},
		"the last state":                 {[]customizerstest.Option{withState, withNone}, "sandbox-"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, append(tt.opts, customizerstest.WithoutSocket())...)
			assert.Contains(t, srv.ClientID, tt.id)
			_, err := srv.Client().Get(t.Context(), "stored")
			assert.NoError(t, err)
		})
	}
}
