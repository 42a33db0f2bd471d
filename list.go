package customizers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/connector-customizers/customizers/internal/listing"
)

// Pages reads a list page by page, to its end or until the loop breaks. It requests each
// page, and retries it, when the loop asks for it. An error is yielded once, with a nil
// page, and ends the list. It needs the scope sp:connector:read.
//
// Every record that exists throughout is yielded exactly once, even if others are created or
// deleted meanwhile, which shifts the offsets. Each request overlaps the previous page by one
// record. If that record has moved, Pages looks for it nearer the start. So a loop may delete
// the records that it gets. With a Limit of 250, pages after the first have 249 records,
// because the service returns at most 250. If more than a thousand records are created or
// deleted between two requests, records may be yielded twice, or an error may report that the
// position was lost.
//
// The list ends with a page shorter than the Limit, as the service documents. With Count, it
// ends only when Total records have been read or a page is empty; an empty first page with a
// Total above 0 is an error. Every page has the Total of the first.
func (c *Client) Pages(ctx context.Context, opts ListOptions) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		if err := opts.check(); err != nil {
			yield(nil, err)
			return
		}
		source := listing.Source[Customizer]{
			Fetch: func(ctx context.Context, offset, limit int, count bool) (listing.Page[Customizer], error) {
				p, err := c.List(ctx, ListOptions{Offset: offset, Limit: limit, Count: count})
				if err != nil {
					return listing.Page[Customizer]{}, err
				}
				return listing.Page[Customizer](*p), nil
			},
			ID: func(c *Customizer) string { return c.ID },
			PastEnd: func(err error) bool {
				var e *Error
				return errors.As(err, &e) && e.StatusCode == http.StatusBadRequest
			},
		}
		for p, err := range source.Pages(ctx, opts.Offset, opts.limit(), opts.Count) {
			if err != nil {
				yield(nil, err)
				return
			}
			if page := Page(p); !yield(&page, nil) {
				return
			}
		}
	}
}

// All reads every record of a list, with one page in memory at a time. It uses
// [Client.Pages]. An error is yielded once, with a zero Customizer, and ends the list. All
// needs the scope sp:connector:read; its requests are retried.
func (c *Client) All(ctx context.Context, opts ListOptions) iter.Seq2[Customizer, error] {
	return func(yield func(Customizer, error) bool) {
		for p, err := range c.Pages(ctx, opts) {
			if err != nil {
				yield(Customizer{}, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// GetByName returns the only customizer with the given name. It reads the whole list, because
// the service can't look up a name. It needs the scope sp:connector:read; its requests are
// retried. It returns
//
//   - [ErrNotFound] if no customizer has the name;
//   - an [*AmbiguousError], which lists the customizers, if several have it;
//   - [ErrInvalidArgument] if the name is blank.
func (c *Client) GetByName(ctx context.Context, name string) (*Customizer, error) {
	if strings.TrimSpace(name) == "" {
		return nil, fmt.Errorf("%w: the name is blank", ErrInvalidArgument)
	}
	var found []Customizer
	for item, err := range c.All(ctx, ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if item.Name == name {
			found = append(found, item)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w: no customizer has the name %q", ErrNotFound, name)
	case 1:
		return &found[0], nil
	}
	return nil, &AmbiguousError{Name: name, Customizers: found}
}
