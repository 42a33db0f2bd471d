package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/connector-customizers/customizers"
)

func TestLabels(t *testing.T) {
	t.Parallel()
	label := labels([]customizers.Customizer{{ID: "1", Name: "one"}, {ID: "2", Name: "twin"}, {ID: "3", Name: "twin"}, {ID: "4"}})
	for id, want := range map[string]string{"1": "one", "2": "2", "3": "3", "4": "4", "gone": "gone", "": ""} {
		assert.Equal(t, want, label(id))
	}
}
