package customizers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"

	"github.com/connector-customizers/customizers/api"
)

const maxLimit = 250 // the most records that the service puts on a page

// ListOptions says which records a list has. The zero value starts at the first and
// asks for 250 a page.
type ListOptions struct {
	Offset int // how many records to skip
	Limit  int // the most records of a page, 1 to 250; 0 stands for 250
	// Count asks how many records there are in all, which costs the service time.
	// Pages and All ask with their first request only.
	Count bool
}

// A Page is a part of a list.
type Page struct {
	Items  []Customizer
	Offset int // of the first item
	Total  int // the number of all records, or -1 when not asked for or not told
}

func (o ListOptions) check() (ListOptions, error) {
	switch {
	case o.Offset < 0:
		return o, fmt.Errorf("%w: ListOptions.Offset is %d, which is negative", ErrInvalidRequest, o.Offset)
	case o.Offset > math.MaxInt32:
		return o, fmt.Errorf("%w: ListOptions.Offset is %d; the service takes 32 bits", ErrInvalidRequest, o.Offset)
	case o.Limit < 0 || o.Limit > maxLimit:
		return o, fmt.Errorf("%w: ListOptions.Limit is %d; it must be 1 to %d, or 0 for %d", ErrInvalidRequest, o.Limit, maxLimit, maxLimit)
	case o.Limit == 0:
		o.Limit = maxLimit
	}
	return o, nil
}

// List returns one page. Past the end it is empty, or an error that is
// [ErrInvalidRequest], as the service likes. It needs the scope sp:connector:read,
// and is retried.
func (c *Client) List(ctx context.Context, opts ListOptions) (*Page, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}
	limit := api.Limit(opts.Limit) //nolint:gosec // checked above to fit, as is the offset
	params := &api.ListConnectorCustomizersParams{Limit: &limit}
	if opts.Offset > 0 {
		offset := api.Offset(opts.Offset) //nolint:gosec // see limit
		params.Offset = &offset
	}
	if opts.Count {
		params.Count = &opts.Count
	}
	resp, err := c.api.ListConnectorCustomizers(ctx, params)
	p, err := decodePage(resp, err, opts)
	if err == nil && !opts.Count {
		p.Total = -1
	}
	return p, err
}

// Pages reads a list page by page, to its end or until the loop breaks. An error is
// yielded once, with a nil page, and ends it. Each page is fetched, and retried, when
// the loop asks for it; with Count every page has the Total that the first was told.
//
// The end is a page with fewer records than asked for, with Count the number that was
// told, or a 400 for an offset past the end, which some of the service's collections
// answer. As a 400 may have other reasons, it is taken for the end only after asking
// for the last record seen shows that none follows it.
func (c *Client) Pages(ctx context.Context, opts ListOptions) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		opts, err := opts.check()
		if err != nil {
			yield(nil, err)
			return
		}
		total := -1
		for first := true; ; first = false {
			p, err := c.List(ctx, opts)
			if err != nil {
				if !first && c.isPastEnd(ctx, opts.Offset, err) {
					return
				}
				yield(nil, err)
				return
			}
			if first {
				total = p.Total
			}
			p.Total = total
			if len(p.Items) == 0 && !first {
				return
			}
			if !yield(p, nil) {
				return
			}
			opts.Offset += len(p.Items)
			opts.Count = false
			if total >= 0 && opts.Offset >= total || total < 0 && len(p.Items) < opts.Limit || len(p.Items) == 0 {
				return
			}
		}
	}
}

// isPastEnd tells whether err, the answer to a list from offset, means that the list
// ended just before: a 400, and the record before offset being the last.
func (c *Client) isPastEnd(ctx context.Context, offset int, err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.StatusCode != http.StatusBadRequest {
		return false
	}
	p, err := c.List(ctx, ListOptions{Offset: offset - 1, Limit: 2})
	return err == nil && len(p.Items) < 2
}

// All reads every record of a list, whatever their number, a page in memory at a
// time. It ends as [Client.Pages] does; an error in the middle is yielded once, with a
// zero Customizer, after the records before it.
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
