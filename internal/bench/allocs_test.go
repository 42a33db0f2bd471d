//go:build !race

package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

func TestAllocations(t *testing.T) {
	c, p := pair(t, tenants.Fast)
	for name, tt := range map[string]struct {
		byHand, bySDK func() error
		atMost        float64 // times the allocations by hand
	}{
		"Get": {
			func() error { return p.do(t.Context(), http.MethodGet, "/"+id, nil, new(customizer)) },
			func() error { _, err := c.Get(t.Context(), id); return err },
			1.25,
		},
		"List": {
			func() error { return p.do(t.Context(), http.MethodGet, "?limit=250", nil, new([]customizer)) },
			func() error { _, err := c.List(t.Context(), customizers.ListOptions{}); return err },
			0.9,
		},
	} {
		t.Run(name, func(t *testing.T) {
			count := func(do func() error) float64 {
				return testing.AllocsPerRun(200, func() { require.NoError(t, do()) })
			}
			byHand, bySDK := count(tt.byHand), count(tt.bySDK)
			t.Logf("%.0f by hand, %.0f by the SDK: %.2f times", byHand, bySDK, bySDK/byHand)
			assert.LessOrEqual(t, bySDK/byHand, tt.atMost)
		})
	}
}
