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
	found, err := findAll(ctx, client, []string{idOrName})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// findAll returns the customizers with the given IDs or names, without repeats. It requests
// what looks like an ID, and reads the list at most once.
func findAll(ctx context.Context, client *customizers.Client, idsOrNames []string) ([]*customizers.Customizer, error) {
	args := slices.Clone(idsOrNames)
	var known []*customizers.Customizer
	var names []string
	for i, arg := range args {
		if uuid.Validate(arg) != nil {
			names = append(names, arg)
			continue
		}
		switch c, err := client.Get(ctx, arg); {
		case errors.Is(err, customizers.ErrNotFound):
			names = append(names, arg)
		case err != nil:
			return nil, err
		default:
			known, args[i] = append(known, c), c.ID
		}
	}
	if len(names) > 0 && !slices.Contains(names, "") {
		for c, err := range client.All(ctx, customizers.ListOptions{}) {
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(names, func(name string) bool { return customizerKind.hasID(&c, name) || c.Name == name }) {
				known = append(known, &c)
			}
		}
	}
	return pick(known, args, customizerKind)
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
			return nil, fmt.Errorf("%w: there is no %s with the ID or name %q", customizers.ErrNotFound, k.noun, arg)
		case 1:
			picked = k.add(picked, found[0])
		default:
			ids := make([]string, len(found))
			for i, item := range found {
				ids[i] = k.id(item)
			}
			return nil, &adviceError{
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
