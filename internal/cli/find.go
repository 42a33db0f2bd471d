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

// lookup returns a client and the customizer with the given ID or name.
func (a *app) lookup(ctx context.Context, idOrName string) (*customizers.Client, *customizers.Customizer, error) {
	client, err := a.client(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := find(ctx, client, idOrName)
	return client, c, err
}

// find returns the customizer with the given ID or name.
func find(ctx context.Context, client *customizers.Client, idOrName string) (*customizers.Customizer, error) {
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
		err = notFound("customizer", idOrName)
	}
	return c, err
}

func notFound(noun, idOrName string) error {
	return fmt.Errorf("%w: no %s has the ID or name %q", customizers.ErrNotFound, noun, idOrName)
}

// findAll returns the customizers with the given IDs or names, without duplicates. It reads
// the list at most once.
func findAll(ctx context.Context, client *customizers.Client, idsOrNames []string) ([]customizers.Customizer, error) {
	if len(idsOrNames) == 1 {
		c, err := find(ctx, client, idsOrNames[0])
		if err != nil {
			return nil, err
		}
		return []customizers.Customizer{*c}, nil
	}
	all, err := listAll(ctx, client)
	if err != nil {
		return nil, err
	}
	return pick(all, idsOrNames, customizerKind)
}

// listAll returns all customizers.
func listAll(ctx context.Context, client *customizers.Client) (all []customizers.Customizer, err error) {
	for c, err := range client.All(ctx, customizers.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// A kind describes items that have an ID and a name.
type kind[T any] struct {
	noun     string
	id, name func(T) string
}

var customizerKind = kind[customizers.Customizer]{
	noun: "customizer",
	id:   func(c customizers.Customizer) string { return c.ID },
	name: func(c customizers.Customizer) string { return c.Name },
}

// pick returns the items with the given IDs or names, in that order and without duplicates.
// An ID wins over a name. pick rejects a name that several items have.
func pick[T any](items []T, idsOrNames []string, k kind[T]) (picked []T, err error) {
	for _, arg := range idsOrNames {
		var found []T
		for _, item := range items {
			if strings.EqualFold(k.id(item), arg) {
				found = []T{item}
				break
			}
			if k.name(item) == arg {
				found = k.add(found, item)
			}
		}
		switch len(found) {
		case 0:
			return nil, notFound(k.noun, arg)
		case 1:
			picked = k.add(picked, found[0])
		default:
			var ids []string
			for _, item := range found {
				ids = append(ids, k.id(item))
			}
			return nil, &exitError{
				err:    fmt.Errorf("%w %q: %s", customizers.ErrAmbiguous, arg, strings.Join(ids, ", ")),
				advice: "use one of these IDs",
			}
		}
	}
	return picked, nil
}

// add appends an item, unless items has it.
func (k kind[T]) add(items []T, item T) []T {
	if slices.ContainsFunc(items, func(i T) bool { return k.id(i) == k.id(item) }) {
		return items
	}
	return append(items, item)
}
