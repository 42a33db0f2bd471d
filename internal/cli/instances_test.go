package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

// link and unlink send only requests that change something, and stop at the first failure. Of
// three instances, only c is linked, to the customizer two.
func TestLink(t *testing.T) {
	type fault = customizerstest.Fault
	for name, tt := range map[string]struct {
		args    string
		fault   fault
		code    int
		linked  []string // customizers of a, b and c afterwards
		patches int
		lists   int // of instances
		stdout  string
		stderr  string
	}{
		"link": {
			"link one a b c", fault{}, exitOK, []string{"one", "one", "one"}, 3, 1, "id-a\nid-b\nid-c\n", "",
		},
		"already linked": {
			"link two c a", fault{}, exitOK, []string{"two", "", "two"}, 1, 1, "id-c\nid-a\n", "c (id-c) is already linked to two.",
		},
		"unlink": {
			"unlink a c", fault{}, exitOK, []string{"", "", ""}, 1, 1, "id-a\nid-c\n", "Unlinked c (id-c) from two.",
		},
		"the second fails": {
			"link one a b c", fault{Operation: customizerstest.UpdateInstance, Skip: 1, Status: 403}, exitDenied,
			[]string{"one", "", "two"}, 2, 1, "id-a\n", "stopped at b (id-b) after 1 of 3: PATCH /beta/connector-instances/id-b: 403",
		},
		"the only one fails": {
			"unlink c", fault{Operation: customizerstest.UpdateInstance, Status: 404}, exitNotFound,
			[]string{"", "", "two"}, 1, 1, "", "customizers: PATCH /beta/connector-instances/id-c: 404",
		},
		"the response is lost": {
			"unlink c", fault{Operation: customizerstest.UpdateInstance, Reset: true, Apply: true}, exitOK,
			[]string{"", "", ""}, 1, 2, "id-c\n", "Unlinked c (id-c) from two.",
		},
		"an unknown outcome": {
			"link one a", fault{Operation: customizerstest.UpdateInstance, Reset: true}, exitUnknown,
			[]string{"", "", "two"}, 1, 2, "", "run 'customizers instances' to see what was done",
		},
		"no list of customizers": {
			"link one a", fault{Operation: customizerstest.List, Status: 403}, exitDenied, []string{"", "", "two"}, 0, 0, "", "403",
		},
		"no list of instances": {
			"unlink c", fault{Operation: customizerstest.ListInstances, Status: 403}, exitDenied, []string{"", "", "two"}, 0, 1, "", "403",
		},
		"no such endpoint": {
			"unlink c", fault{Operation: customizerstest.ListInstances, Status: 404}, exitFailure, []string{"", "", "two"}, 0, 1, "", "no endpoint for connector instances",
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := customizerstest.NewServer(
				customizerstest.WithCustomizers(customizers.Customizer{ID: "id-one", Name: "one"}, customizers.Customizer{ID: "id-two", Name: "two"}),
				customizerstest.WithInstances(instances.Instance{ID: "id-a", Name: "a"}, instances.Instance{ID: "id-b", Name: "b"}, instances.Instance{ID: "id-c", Name: "c", CustomizerID: "id-two"}))
			t.Cleanup(srv.Close)
			setEnvironment(t, srv)
			if tt.fault.Operation != "" {
				srv.Inject(tt.fault)
			}
			var stdout, stderr bytes.Buffer
			args := append(strings.Fields(tt.args), "-o", "id")
			require.Equal(t, tt.code, run(t.Context(), args, nil, &stdout, &stderr), "%s", &stderr)
			assert.Equal(t, tt.stdout, stdout.String())
			assert.Contains(t, stderr.String(), tt.stderr)
			for i, c := range srv.Instances() {
				want := tt.linked[i]
				if want != "" {
					want = "id-" + want
				}
				assert.Equal(t, want, c.CustomizerID, c.Name)
			}
			assert.Len(t, srv.Requests(customizerstest.UpdateInstance), tt.patches)
			assert.Len(t, srv.Requests(customizerstest.ListInstances), tt.lists)
			assert.Len(t, srv.Requests(customizerstest.List), 1)
		})
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	label := labels([]customizers.Customizer{{ID: "1", Name: "one"}, {ID: "2", Name: "twin"}, {ID: "3", Name: "twin"}, {ID: "4"}})
	for id, want := range map[string]string{"1": "one", "2": "2", "3": "3", "4": "4", "gone": "gone", "": ""} {
		assert.Equal(t, want, label(id))
	}
}
