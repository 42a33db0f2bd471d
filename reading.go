package customizers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

const (
	// remembered is how many of the records that it met last a reading remembers. It
	// finds its place again in a list that has shifted by less between two requests.
	remembered = 8 * maxLimit
	// maxSearch is how many requests it makes for one page, with those to find its place.
	maxSearch = 16
)

// A reading is a list being read while others may change it. Each request begins at
// the last record seen: while that is where it was, nothing before it has shifted, and
// so nothing is missed or seen twice. Otherwise the reading goes back until it meets a
// record that it knows, and goes on from there.
type reading struct {
	ahead prefetch
	start int // the offset that the list was asked for from
	limit int // the most records of a page
	total int // as told with the first page, or -1
	at    int // the offset of the last record seen
	ended bool

	known map[string]int // the IDs met last, with the number of the last meeting
	ring  []string       // the IDs of the last meetings
	met   int            // how many meetings there were
}

// first reads the first page.
func (r *reading) first(ctx context.Context, opts ListOptions) (*Page, error) {
	p, err := r.ahead.get(ctx, opts)
	if err != nil {
		return nil, err
	}
	end := opts.Offset + len(p.Items)
	r.start, r.limit, r.total, r.at = opts.Offset, opts.Limit, p.Total, end-1
	if r.total >= 0 {
		r.ended = end >= r.total || len(p.Items) == 0
	} else {
		r.ended = len(p.Items) < opts.Limit
	}
	if !r.ended {
		r.known = make(map[string]int, remembered)
		r.meet(p.Items)
	}
	return p, nil
}

// following asks for the page that follows, from the last record seen on.
func (r *reading) following() ListOptions {
	return ListOptions{Offset: r.at, Limit: min(r.limit+1, maxLimit)}
}

// next reads the page that follows, or nil when there is none.
func (r *reading) next(ctx context.Context) (*Page, error) {
	opts := r.following()
	offset, limit := opts.Offset, opts.Limit
	var refused error // the last 400
	refusals := 0
	found := false // the place was found, and the request is from there
	anew := false  // there is no place to be found
	for range maxSearch {
		p, err := r.ahead.get(ctx, ListOptions{Offset: offset, Limit: limit})
		var e *Error
		if offset > 0 && errors.As(err, &e) && e.StatusCode == http.StatusBadRequest {
			// Some collections answer so past their end, where deletions may have put
			// this offset. Whether they did shows the part of the list before it.
			refused, refusals = err, refusals+1
			offset, limit = before(offset), maxLimit
			continue
		}
		if err != nil {
			return nil, err
		}
		if refusals > 1 && offset+len(p.Items) > r.at {
			return nil, refused // twice, and there is a record at r.at
		}
		from, ok := r.resume(p)
		switch {
		case ok || anew:
		case offset == 0:
			// All that were seen have been deleted: what is left comes after those that
			// were to be skipped.
			offset, limit, anew = r.start, maxLimit, true
			continue
		default:
			offset, limit = before(offset), maxLimit
			continue
		}
		full := len(p.Items) == limit
		fresh, last := r.fresh(p, from)
		if full && (len(fresh) == 0 || len(fresh) < (r.limit+1)/2 && !found) {
			// Little of this page is new, but from the last that is known on there is more.
			if place := offset + r.lastKnown(p); place > offset {
				offset, limit, found = place, maxLimit, true
				continue
			}
		}
		if len(fresh) == 0 {
			return nil, nil
		}
		r.at = offset + last
		r.ended = !full && last == len(p.Items)-1 && offset+len(p.Items) >= r.total
		r.meet(p.Items[:last+1])
		return &Page{Items: fresh, Offset: r.at - len(fresh) + 1, Total: r.total}, nil
	}
	return nil, fmt.Errorf("customizers: the list changes faster than it can be read: its place was lost near offset %d", r.at)
}

// before is where to look for the reading's place when it is before offset. A page
// from there ends with the record at offset+1, so that it shows whether there is one.
func before(offset int) int { return max(0, offset-(maxLimit-2)) }

// resume tells from which item of a page the reading goes on: from one that it knows,
// so that it knows all before it too.
func (r *reading) resume(p *Page) (from int, ok bool) {
	for i := range p.Items {
		if r.known[p.Items[i].ID] > 0 {
			// Before one further on in the page there may be more that are unknown,
			// but for those that come first in the list or were to be skipped.
			return i, i == 0 || p.Offset == 0 || p.Offset < r.start
		}
	}
	return 0, p.Offset == 0 && r.start == 0 // all that were seen have been deleted
}

// fresh is what a page has from an item on that has not been seen, a page's worth at
// most, and the index of the last.
func (r *reading) fresh(p *Page, from int) (fresh []Customizer, last int) {
	for i := from; i < len(p.Items) && len(fresh) < r.limit; i++ {
		if r.known[p.Items[i].ID] == 0 {
			fresh, last = append(fresh, p.Items[i]), i
		}
	}
	return fresh, last
}

// lastKnown is the index of the last item of a page that has been seen, or -1.
func (r *reading) lastKnown(p *Page) int {
	i := len(p.Items) - 1
	for i >= 0 && r.known[p.Items[i].ID] == 0 {
		i--
	}
	return i
}

// meet remembers records. One that is met again, because those behind it were deleted,
// is remembered for longer.
func (r *reading) meet(items []Customizer) {
	for i := range items {
		id := items[i].ID
		if last := r.known[id]; last > 0 && r.met-last < remembered/2 {
			continue
		}
		if len(r.ring) < remembered {
			r.ring = append(r.ring, id)
		} else {
			oldest := &r.ring[r.met%remembered]
			if r.known[*oldest] == r.met-remembered+1 {
				delete(r.known, *oldest)
			}
			*oldest = id
		}
		r.met++
		r.known[id] = r.met
	}
}
