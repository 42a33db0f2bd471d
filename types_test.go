package customizers_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// A Customizer can be stored as JSON: it has the service's field names and can be read again.
func TestCustomizerJSON(t *testing.T) {
	t.Parallel()
	const text = `{"id":"1","name":"n","imageVersion":3,"imageID":"i","tenantID":"t","created":"2021-05-11T22:23:16Z"}`
	want := customizers.Customizer{
		ID: "1", Name: "n", ImageVersion: 3, ImageID: "i", TenantID: "t",
		Created: customizers.Timestamp{Time: time.Date(2021, 5, 11, 22, 23, 16, 0, time.UTC)},
	}
	var got customizers.Customizer
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	assert.Equal(t, want, got)
	written, err := json.Marshal(got)
	require.NoError(t, err)
	assert.JSONEq(t, text, string(written))
	written, err = json.Marshal(customizers.Customizer{})
	require.NoError(t, err)
	assert.JSONEq(t, `{}`, string(written), "empty fields are omitted")
}

// The tests of package api have every format of a date.
func TestDates(t *testing.T) {
	t.Parallel()
	want := time.Date(2009, 11, 10, 23, 0, 0, 0, time.UTC)
	for _, created := range []string{"2009-11-10T23:00:00Z", "2009-11-10 23:00:00 +0000 UTC", "2009-11-11T00:00+01:00"} {
		got, err := clientOver(t, respond(200, `{"id":"1","created":"`+created+`"}`)).Get(t.Context(), "1")
		require.NoError(t, err)
		assert.True(t, got.Created.Equal(want), created)
	}
	_, err := clientOver(t, respond(200, `{"id":"1","created":"yesterday"}`)).Get(t.Context(), "1")
	require.ErrorContains(t, err, `"yesterday" is not a date`)
}
