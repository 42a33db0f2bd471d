package customizers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

const (
	maxLimit = 250 // maximum number of customizers that the service returns per page
	// memory is how many customizers a reader remembers.
	memory = 8 * maxLimit
	// maxRequests limits the requests for one page, including those that search backwards.
	maxRequests = 32
)

// A reader reads a list that may change meanwhile. Each request starts with the last customizer
// read. If that one is still there, those after it are unread, because the list keeps its order.
// Otherwise the reader searches backwards for a customizer that it has read and that has not
// changed, and continues after the last one on the page.
type reader struct {
	list  func(context.Context, ListOptions) (*Page, error)
	opts  ListOptions
	limit int // limit of the next request
	total int // Total of the first page, or -1

	before  Customizer // the customizer before the offset that the list is read from
	again   bool       // whether the list was read before
	forgot  bool       // whether recent lacked some that were read
	longest int        // number of customizers on the longest page; -1 before the first page

	rejected error // last error of this page that may mean an offset past the end

	// The following fields belong to one pass through the list.
	position int          // offset of the last customizer read
	last     Customizer   // last customizer read
	recent   []Customizer // the last customizers read
	oldest   int          // index in recent of the one to forget next
	count    int          // number of customizers read
	shifted  bool         // whether the last customizer read was not at its position
}

// newReader returns a reader of the list. If the list is read from an offset above 0, the first
// page starts with the customizer before it, so that there is always one to continue after.
func newReader(list func(context.Context, ListOptions) (*Page, error), opts ListOptions) *reader {
	r := &reader{list: list, opts: opts, limit: opts.limit(), total: -1, longest: -1, position: opts.Offset - 1}
	if opts.Offset > 0 {
		r.limit = min(r.limit+1, maxLimit)
	}
	return r
}

// pages reads the list to its end. No customizer is yielded twice while all that were yielded
// are remembered. If the list has shifted, customizers may have moved to where they were read
// already; so the list is read again until a pass finds nothing new, or often enough.
func (r *reader) pages(ctx context.Context, yield func(*Page, error) bool) {
	yielded := map[string]bool{}
	remembered := true
	for range maxRequests {
		found := false
		for more := true; more; {
			var items []Customizer
			var err error
			if items, more, err = r.next(ctx); err != nil {
				yield(nil, err)
				return
			}
			if remembered {
				items = slices.DeleteFunc(items, func(c Customizer) bool {
					known := yielded[c.ID]
					yielded[c.ID] = true
					return known
				})
				remembered = len(yielded) <= memory
			}
			found = found || len(items) > 0
			offset := r.position + 1 - len(items)
			for chunk := range slices.Chunk(items, r.opts.limit()) {
				if !yield(&Page{Items: chunk, Offset: offset, Total: r.total}, nil) {
					return
				}
				offset += len(chunk)
			}
		}
		if !found && !r.again { // an empty list has one page
			yield(r.empty())
			return
		}
		if r.again = r.shifted && found && remembered; !r.again {
			return
		}
		r.limit, r.position, r.recent, r.oldest, r.count, r.shifted = maxLimit, r.opts.Offset-1, nil, 0, 0, false
		if r.opts.Offset > 0 {
			r.last, r.recent = r.before, []Customizer{r.before}
		}
	}
}

// empty returns the page of a list without customizers, or an error if it should have some.
func (r *reader) empty() (*Page, error) {
	if r.opts.Offset < r.total {
		return nil, fmt.Errorf("customizers: the page at offset %d is empty, but the list has %d customizers", r.opts.Offset, r.total)
	}
	return &Page{Items: []Customizer{}, Offset: r.opts.Offset, Total: r.total}, nil
}

// next returns the customizers after the position, and whether more may follow them.
func (r *reader) next(ctx context.Context) (fresh []Customizer, more bool, err error) {
	var (
		offset   = max(0, r.position)
		after    = r.longest < 0 // whether nothing on the page was read, so that an empty one is the end
		advanced bool            // whether the request starts at a customizer found by searching
	)
	r.rejected = nil
	for range maxRequests {
		items, known, err := r.request(ctx, offset, after)
		if err != nil {
			return nil, false, err
		}
		fresh := items[known+1:]
		more := r.more(len(items), len(fresh))
		switch lost := known < 0 && !after; {
		case lost && offset > 0: // search backwards; two overlap, to show what follows
			offset, r.limit = max(0, offset-max(1, r.longest-2)), maxLimit
		case lost && len(items) > 0 && (r.opts.Offset > 0 || r.forgot && r.position >= r.longest):
			if r.again { // the customizer before the offset is gone, so this pass can't check the first
				return nil, false, nil
			}
			return nil, false, r.errLost()
		case more && known > 0 && 2*len(fresh) < len(items) && (len(fresh) == 0 || !advanced):
			// Few are unread here, but more may follow the last known one.
			r.last = items[known]
			offset, r.limit, advanced = offset+known, maxLimit, true
		case more && known == 0 && len(fresh) == 0: // the page has only the last customizer read
			offset, after = offset+1, true
		case len(fresh) == 0:
			return nil, false, nil
		default:
			r.remember(items[max(0, known):])
			r.last, r.position = items[len(items)-1], offset+len(items)-1
			r.count += len(fresh)
			return fresh, more, nil
		}
	}
	return nil, false, cmp.Or(r.rejected, r.errLost())
}

func (r *reader) errLost() error {
	return fmt.Errorf("customizers: the list changed too fast to follow (lost position near offset %d): read it again", r.position)
}

// request returns the page at offset, and the index of its last customizer that was read in this
// pass, or -1.
func (r *reader) request(ctx context.Context, offset int, after bool) (items []Customizer, known int, err error) {
	first := r.longest < 0
	p, err := r.list(ctx, ListOptions{Offset: offset, Limit: r.limit, Count: r.opts.Count && first})
	if e := (*Error)(nil); !first && offset > 0 && errors.As(err, &e) && e.StatusCode == http.StatusBadRequest {
		p, r.rejected, err = &Page{}, err, nil // as an empty page
	}
	switch {
	case err != nil:
		return nil, -1, err
	case first:
		r.total = p.Total
		if offset < r.opts.Offset && len(p.Items) > 0 { // it starts with the one before
			r.before, r.last = p.Items[0], p.Items[0]
			r.remember(p.Items[:1])
			return p.Items, 0, nil
		}
		return p.Items, -1, nil
	case after || len(r.recent) == 0:
		return p.Items, -1, nil
	case len(p.Items) > 0 && r.unmoved(&r.last, &p.Items[0]):
		return p.Items, 0, nil
	}
	r.shifted = true
	known = len(p.Items) - 1
	for known >= 0 && !r.wasRead(&p.Items[known]) {
		known--
	}
	return p.Items, known, nil
}

func (r *reader) wasRead(c *Customizer) bool {
	for i := range r.recent {
		if r.unmoved(&r.recent[i], c) {
			return true
		}
	}
	return false
}

// unmoved reports whether a and b are the same customizer and nothing has changed that a service
// may sort by, so that those after it were after it before. Beyond memory, the ID has to do.
func (r *reader) unmoved(a, b *Customizer) bool {
	return a.ID == b.ID && (r.forgot || a.Name == b.Name && a.ImageVersion == b.ImageVersion && a.Created.Equal(b.Created.Time))
}

// more reports whether customizers may follow a page of n, of which some are fresh. They may if
// the page is full. With Total, they may also if fewer than Total were read, and a page as long
// as the longest is full, because the service's pages may be shorter than requested.
func (r *reader) more(n, fresh int) bool {
	longest, full := r.longest, r.opts.limit()
	r.longest, r.limit = max(n, longest), max(r.limit, min(full+1, maxLimit))
	switch {
	case r.total >= 0 && longest < 0:
		return r.opts.Offset+fresh < r.total
	case r.total >= 0:
		full = min(full, longest)
	}
	return n >= full || r.opts.Offset+r.count+fresh < r.total
}

// remember adds to the customizers read, and forgets the oldest ones beyond memory.
func (r *reader) remember(items []Customizer) {
	for i := range items {
		if len(r.recent) < memory {
			r.recent = append(r.recent, items[i])
			continue
		}
		r.recent[r.oldest], r.forgot = items[i], true
		r.oldest = (r.oldest + 1) % memory
	}
}
