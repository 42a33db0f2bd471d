package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/connector-customizers/customizers"
)

// find returns the customizer with the given ID or name. An ID is looked for first; a
// name that several customizers have is refused.
func find(ctx context.Context, client *customizers.Client, idOrName string) (*customizers.Customizer, error) {
	if idOrName == "" {
		return nil, usageErrorf("the ID or name is empty")
	}
	if uuid.Validate(idOrName) == nil {
		c, err := client.Get(ctx, idOrName)
		if !errors.Is(err, customizers.ErrNotFound) {
			return c, err
		}
	}
	var named []customizers.Customizer
	for c, err := range client.All(ctx, customizers.ListOptions{}) {
		switch {
		case err != nil:
			return nil, err
		case c.ID == idOrName:
			return &c, nil
		case c.Name == idOrName:
			named = append(named, c)
		}
	}
	switch len(named) {
	case 0:
		return nil, fmt.Errorf("%w: there is no customizer with the ID or name %q", customizers.ErrNotFound, idOrName)
	case 1:
		return &named[0], nil
	}
	return nil, &adviceError{err: &customizers.AmbiguousError{Name: idOrName, Customizers: named}, advice: "use one of these IDs"}
}
