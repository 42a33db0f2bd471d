package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

// findInstances returns the connector instances with the given IDs or names, each once.
func findInstances(ctx context.Context, client Client, idsOrNames []string) ([]instances.Instance, error) {
	if len(idsOrNames) == 0 {
		return nil, nil
	}
	all, err := instances.List(ctx, client)
	if err != nil {
		return nil, err
	}
	var found []instances.Instance
	for _, want := range idsOrNames {
		var named []instances.Instance
		var ids []string
		for _, i := range all {
			if strings.EqualFold(i.ID, want) { // an ID takes precedence over a name
				named, ids = []instances.Instance{i}, []string{i.ID}
				break
			}
			if i.Name == want {
				named, ids = append(named, i), append(ids, i.ID)
			}
		}
		switch len(named) {
		case 0:
			return nil, fmt.Errorf("%w: no connector instance has the ID or name %q", customizers.ErrNotFound, want)
		case 1:
			if !slices.Contains(found, named[0]) { // it may be given by ID and by name
				found = append(found, named[0])
			}
		default:
			return nil, fmt.Errorf("%w %q of connector instances: %s", customizers.ErrAmbiguous, want, strings.Join(ids, ", "))
		}
	}
	return found, nil
}

// link links the instances to c that are not linked to it yet, and returns them. It waits until
// limit for a customizer that the service does not know yet.
func link(ctx context.Context, client Client, all []instances.Instance, c *customizers.Customizer, limit time.Duration, dryRun bool) (linked []instances.Instance, err error) {
	for _, i := range all {
		switch {
		case i.CustomizerID == c.ID && c.ID != "":
			continue
		case dryRun:
			i.CustomizerID = c.ID
		default:
			var changed *instances.Instance
			err := poll(ctx, limit, func() (bool, error) {
				changed, err = instances.Link(ctx, client, c.ID, i.ID)
				return true, err
			})
			if err != nil {
				return linked, fmt.Errorf("linking %s (%s) to %s (%s, at version %d): %w", i.Name, i.ID, c.Name, c.ID, c.ImageVersion, err)
			}
			i = *changed
		}
		linked = append(linked, i)
	}
	return linked, nil
}
