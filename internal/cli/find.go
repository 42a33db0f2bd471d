package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/connector-customizers/customizers"
)

// find returns the customizer with the given ID or name.
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
	c, err := client.GetByName(ctx, idOrName)
	switch {
	case errors.Is(err, customizers.ErrAmbiguous):
		err = &exitError{err: err, advice: "use one of these IDs"}
	case errors.Is(err, customizers.ErrNotFound) && !errors.As(err, new(*customizers.Error)):
		err = fmt.Errorf("%w: no customizer has the ID or name %q", customizers.ErrNotFound, idOrName)
	}
	return c, err
}

// findAll returns the customizers with the given IDs or names, without repeats. It reads the
// list once.
func findAll(ctx context.Context, client *customizers.Client, idsOrNames []string) ([]*customizers.Customizer, error) {
	if len(idsOrNames) == 1 {
		c, err := find(ctx, client, idsOrNames[0])
		if err != nil {
			return nil, err
		}
		return []*customizers.Customizer{c}, nil
	}
	if slices.Contains(idsOrNames, "") {
		return nil, usageErrorf("the ID or name is empty")
	}
	all, err := listAll(ctx, client)
	if err != nil {
		return nil, err
	}
	return pick(all, idsOrNames, customizerKind)
}

// listAll returns all customizers.
func listAll(ctx context.Context, client *customizers.Client) ([]*customizers.Customizer, error) {
	var all []*customizers.Customizer
	for c, err := range client.All(ctx, customizers.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, &c)
	}
	return all, nil
}

// A kind describes items that have an ID and a name.
type kind[T any] struct {
	noun     string
	id, name func(T) string
}

var customizerKind = kind[*customizers.Customizer]{
	noun: "customizer",
	id:   func(c *customizers.Customizer) string { return c.ID },
	name: func(c *customizers.Customizer) string { return c.Name },
}

// pick returns the items with the given IDs or names, in that order and without repeats. An
// ID wins over a name. It refuses a name that several items have.
func pick[T any](items []T, idsOrNames []string, k kind[T]) ([]T, error) {
	if slices.Contains(idsOrNames, "") {
		return nil, usageErrorf("the ID or name is empty")
	}
	var picked []T
	for _, arg := range idsOrNames {
		var found []T
		for _, item := range items {
			if k.hasID(item, arg) {
				found = []T{item}
				break
			}
			if k.name(item) == arg {
				found = k.add(found, item)
			}
		}
		switch len(found) {
		case 0:
			return nil, fmt.Errorf("%w: no %s has the ID or name %q", customizers.ErrNotFound, k.noun, arg)
		case 1:
			picked = k.add(picked, found[0])
		default:
			ids := make([]string, len(found))
			for i, item := range found {
				ids[i] = k.id(item)
			}
			return nil, &exitError{
				err:    fmt.Errorf("%w %q: %s", customizers.ErrAmbiguous, arg, strings.Join(ids, ", ")),
				advice: "use one of these IDs",
			}
		}
	}
	return picked, nil
}

func (k kind[T]) hasID(item T, id string) bool { return strings.EqualFold(k.id(item), id) }

// add appends an item, unless items has it.
func (k kind[T]) add(items []T, item T) []T {
	if slices.ContainsFunc(items, func(i T) bool { return k.id(i) == k.id(item) }) {
		return items
	}
	return append(items, item)
}
