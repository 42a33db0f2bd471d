package customizers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/connector-customizers/customizers/api"
	"github.com/connector-customizers/customizers/internal/naming"
)

// ListOptions select a part of a list. The zero value starts at the first customizer and asks
// for 250 customizers per page.
type ListOptions struct {
	Offset int  // number of customizers to skip
	Limit  int  // maximum number of customizers per page, 1 to 250; 0 means 250
	Count  bool // ask for the total number of customizers, which costs the service time; Pages and All ask once
}

// A Page is a part of a list.
type Page struct {
	Items  []Customizer
	Offset int // offset of the first item
	Total  int // total number of customizers, or -1 without Count or if the response lacks it
}

func (o ListOptions) check() error {
	switch {
	case o.Offset < 0 || o.Offset > math.MaxInt32:
		return fmt.Errorf("%w: ListOptions.Offset is %d (want 0 to %d)", ErrInvalidArgument, o.Offset, math.MaxInt32)
	case o.Limit < 0 || o.Limit > maxLimit:
		return fmt.Errorf("%w: ListOptions.Limit is %d (want 1 to %d, or 0 for %d)", ErrInvalidArgument, o.Limit, maxLimit, maxLimit)
	}
	return nil
}

func (o ListOptions) limit() int {
	if o.Limit == 0 {
		return maxLimit
	}
	return o.Limit
}

// List returns one page, which is longer than the Limit if the service ignores it. Past the end
// of the list, it returns an empty page or, if the service responds with 400, [ErrBadRequest].
// It rejects a response with more than 10,000 customizers or with an ID that [Client.Get] would
// reject. It needs the scope sp:connector:read, and is retried.
func (c *Client) List(ctx context.Context, opts ListOptions) (*Page, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	limit, offset := api.Limit(opts.limit()), api.Offset(opts.Offset) //nolint:gosec // checked to fit
	params := &api.ListConnectorCustomizersParams{Limit: &limit}
	if opts.Offset > 0 {
		params.Offset = &offset
	}
	if opts.Count {
		params.Count = &opts.Count
	}
	req, err := api.NewListConnectorCustomizersRequest(c.server, params)
	resp, err := c.send(ctx, "List", req, err)
	if err != nil {
		return nil, err
	}
	items := make(page, 0, min(opts.limit(), len(resp.Data)/64))
	if err := c.decode(resp, &items); err != nil {
		return nil, err
	}
	p := &Page{Items: items, Offset: opts.Offset, Total: -1}
	if n, err := strconv.Atoi(resp.Header.Get("X-Total-Count")); err == nil && n >= 0 && opts.Count {
		p.Total = n
	}
	return p, nil
}

const (
	// largePage is the size in bytes above which a page is decoded one element at a time. That
	// takes longer, but not 96 bytes of memory for each "{}".
	largePage = 256 << 10
	// maxItems is how many customizers a page may have if the service ignores the limit.
	maxItems = 40 * maxLimit
)

// A page decodes itself and checks the IDs.
type page []Customizer

func (p *page) decode(data []byte) error {
	if len(data) <= largePage {
		if err := json.Unmarshal(data, (*[]Customizer)(p)); err != nil {
			return err
		}
		if *p == nil {
			return errors.New("null instead of a list")
		}
		for i := range *p {
			if err := p.check(i); err != nil {
				return err
			}
		}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return cmp.Or(err, errors.New("it is not a list"))
	}
	for i := 0; d.More(); i++ {
		if i == maxItems {
			return fmt.Errorf("more than %d customizers on a page", maxItems)
		}
		*p = append(*p, Customizer{})
		if err := d.Decode(&(*p)[i]); err != nil {
			return err
		}
		if err := p.check(i); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return cmp.Or(err, errors.New("text after the list"))
	}
	return nil
}

func (p page) check(i int) error {
	if err := naming.CheckID(p[i].ID); err != nil {
		return fmt.Errorf("customizer %d: the ID %w", i, err)
	}
	return nil
}

// Pages reads a list page by page, to its end or until the loop breaks. It requests each
// page, and retries it, when the loop asks for it. An error is yielded once, with a nil
// page, and ends the list. It needs the scope sp:connector:read.
//
// Every customizer that exists throughout is yielded exactly once, even if others are created
// or deleted meanwhile, which shifts the offsets. To prevent gaps, each request starts with the
// last customizer of the previous page; with an Offset, the first one starts with the customizer
// before it. If that customizer has moved, Pages searches backwards for one that it has read and
// continues from there. So a loop may delete or rename the customizers that it receives. With a
// Limit of 250, such pages have 249 customizers, because the service returns at most 250. Pages
// remembers 2,000 customizers. If it finds none of them again, an error reports that the
// position was lost; read the list again.
//
// The list ends with a page shorter than the Limit, as the service documents. With Count, a page
// may be as short as the service makes its pages, and the list does not end before Total
// customizers have been read or a page is empty; an empty first page with a Total above 0 is an
// error. Every page has the Total of the first.
func (c *Client) Pages(ctx context.Context, opts ListOptions) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		if err := opts.check(); err != nil {
			yield(nil, err)
			return
		}
		newReader(c.List, opts).pages(ctx, yield)
	}
}

// All reads every customizer of a list, with one page in memory at a time. It uses
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
