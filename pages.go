package customizers

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/connector-customizers/customizers/api"
)

const maxLimit = 250 // the most records that the service puts on a page

// ListOptions says which records a list has. The zero value starts at the first and
// asks for 250 a page.
type ListOptions struct {
	Offset int // how many records to skip, from 0
	Limit  int // the most records of a page, 1 to 250; 0 stands for 250
	// Count asks how many records there are in all, which costs the service time.
	// Pages and All ask with their first request only.
	Count bool
	// Prefetch is how many of the pages that follow Pages and All request while the loop
	// is busy with one; 0 to 8, and 0, the default, requests each page when the loop asks
	// for it. The loop sees the same pages and errors in the same order, sooner where the
	// service is slow to answer: the rate limit holds for these requests too.
	//
	// As many pages are held in memory. Up to as many requests go past the end of the
	// list, and are in vain when it is found to have shifted, so in a loop that deletes
	// what it is given. List ignores it.
	Prefetch int
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
	case o.Prefetch < 0 || o.Prefetch > maxPrefetch:
		return o, fmt.Errorf("%w: ListOptions.Prefetch is %d; it must be 0 to %d", ErrInvalidRequest, o.Prefetch, maxPrefetch)
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
// the loop asks for it, or before with [ListOptions.Prefetch]; when the loop ends, so do
// the requests that are under way. It needs the scope sp:connector:read.
//
// Every record that is there for the whole time is yielded exactly once, also when
// others are created or deleted meanwhile, which shifts the offsets: each request asks
// again for the last record seen, and when it is not where it was, Pages looks for it
// nearer the start. So a page after the first has one record less than the
// service's 250 when Limit is that. A loop may delete the records that it is given. Only
// when over a thousand records come or go between two requests, some may be yielded
// twice, or an error says that the place was lost.
//
// The end is a page with fewer records than asked for, or with Count a first one that
// has them all. Every page has the Total that the first was told.
func (c *Client) Pages(ctx context.Context, opts ListOptions) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		opts, err := opts.check()
		if err != nil {
			yield(nil, err)
			return
		}
		r := &reading{ahead: prefetch{list: c.List, depth: opts.Prefetch}}
		defer r.ahead.end()
		for p, err := r.first(ctx, opts); ; p, err = r.next(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if p == nil {
				return
			}
			if !r.ended {
				r.ahead.fill(ctx, r.following(), r.total)
			}
			if !yield(p, nil) || r.ended {
				return
			}
		}
	}
}

// All reads every record of a list, whatever their number, a page in memory at a
// time. It ends as [Client.Pages] does; an error in the middle is yielded once, with a
// zero Customizer, after the records before it. It needs the scope sp:connector:read, and
// its requests are retried.
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
