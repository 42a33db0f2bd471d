// Package listing reads a list page by page while the list may change.
package listing

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// MaxLimit is the most records that the service puts on a page.
const MaxLimit = 250

const (
	// memory is how many of the last records a reader remembers. It finds its position again
	// if the list has shifted by less between two requests.
	memory = 8 * MaxLimit
	// maxRequests limits the requests for one page, including those that look for the position.
	maxRequests = 32
)

// A Page is a part of a list. Total is the number of all records, or -1 if unknown.
type Page[T any] struct {
	Items         []T
	Offset, Total int
}

// A Source is a list that the service returns in pages.
type Source[T any] struct {
	// Fetch requests the page of at most limit records at offset. Count asks for the Total.
	Fetch func(ctx context.Context, offset, limit int, count bool) (Page[T], error)
	// ID returns what identifies a record.
	ID func(*T) string
	// PastEnd reports whether an error may mean that the offset is past the end.
	PastEnd func(error) bool
}

// Pages reads the list from offset to its end, with up to limit records per page. Every
// record that exists throughout is yielded exactly once. An error ends the list.
func (s Source[T]) Pages(ctx context.Context, offset, limit int, count bool) iter.Seq2[Page[T], error] {
	return func(yield func(Page[T], error) bool) {
		r := &reader[T]{Source: s, start: offset, limit: limit}
		p, err := r.first(ctx, count)
		for err == nil && len(p.Items) > 0 {
			if !yield(p, nil) || r.ended {
				return
			}
			p, err = r.next(ctx)
		}
		if err != nil {
			yield(Page[T]{}, err)
		} else if !r.begun {
			yield(p, nil) // an empty list has one page
		}
	}
}

// A reader keeps its position in a list that shifts. Each request begins at the last record
// read. If that record has not moved, nothing is missed or read twice. Otherwise the reader
// steps back until it finds a record that it remembers, and continues there.
type reader[T any] struct {
	Source[T]

	start    int // offset that the list is read from
	limit    int // maximum number of records per page
	total    int // Total of the first page, or -1
	position int // offset of the last record read
	count    int // number of records read
	begun    bool
	ended    bool
	small    bool // whether the service's pages are smaller than requested
	shifted  bool // whether the list has shifted, so that later pages may have known records

	recent []string        // IDs of the last records read, in order
	known  map[string]bool // recent as a set; nil until needed
}

// first reads the first page.
func (r *reader[T]) first(ctx context.Context, count bool) (Page[T], error) {
	p, err := r.Fetch(ctx, r.start, r.limit, count)
	if err != nil {
		return p, err
	}
	if len(p.Items) == 0 && r.start < p.Total {
		return p, fmt.Errorf("customizers: the page at offset %d is empty, but the list has %d records", r.start, p.Total)
	}
	n := len(p.Items)
	r.total, r.position = p.Total, r.start+n-1
	r.ended = !r.more(n, r.limit, n) || r.total >= 0 && r.start+n >= r.total
	r.begun, r.count = n > 0, n
	r.remember(p.Items)
	return p, nil
}

// next reads the page that follows. It is empty at the end of the list.
func (r *reader[T]) next(ctx context.Context) (Page[T], error) {
	offset, limit := r.position, min(r.limit+1, MaxLimit)
	var (
		refused error // last error that may mean past the end
		found   bool  // whether the request begins at the position, found again
		after   bool  // whether the request begins after the position, so that an empty page is the end
	)
	for range maxRequests {
		p, err := r.Fetch(ctx, offset, limit, false)
		pastEnd := err != nil && offset > 0 && r.PastEnd(err)
		switch {
		case after && (pastEnd || err == nil && len(p.Items) == 0):
			return Page[T]{}, nil
		case pastEnd:
			// Deletions may have put this offset past the end. The preceding page shows
			// whether they did.
			refused = err
			offset, limit = stepBack(offset), MaxLimit
			continue
		case err != nil:
			return Page[T]{}, err
		}
		if !r.unmoved(&p) {
			r.shifted = true
		} else if fresh := p.Items[1:]; len(fresh) > 0 {
			r.remember(fresh)
			return r.advance(fresh, offset, len(p.Items), r.more(len(p.Items), limit, len(fresh))), nil
		}
		from, ok := r.resume(&p)
		if !ok && !after {
			if offset > 0 {
				offset, limit = stepBack(offset), MaxLimit
			} else {
				// All records read were deleted, so the unread ones begin at the start.
				offset, limit, after = r.start, MaxLimit, true
			}
			continue
		}
		fresh, end := r.fresh(p.Items, from)
		more := r.more(len(p.Items), limit, len(fresh))
		if more && (len(fresh) == 0 || len(fresh) < (r.limit+1)/2 && !found) {
			// Few records of this page are new, but more follow the last known one.
			if at := offset + r.lastKnown(p.Items); at > offset {
				offset, limit, found, after = at, MaxLimit, true, false
				continue
			}
		}
		if len(fresh) == 0 && more && len(p.Items) > 0 {
			// The page has only the last record read.
			offset, limit, after = offset+1, MaxLimit, true
			continue
		}
		if len(fresh) == 0 {
			return Page[T]{}, nil
		}
		r.forget(p.Items[:end])
		r.remember(p.Items[:end])
		return r.advance(fresh, offset, end, more || end < len(p.Items)), nil
	}
	if refused != nil {
		return Page[T]{}, refused
	}
	return Page[T]{}, fmt.Errorf("customizers: the list changes faster than it can be read: the position was lost near offset %d", r.position)
}

// unmoved reports whether a page begins with the last record read, at its old offset. Then
// all others on the page are unread.
func (r *reader[T]) unmoved(p *Page[T]) bool {
	return !r.shifted && p.Offset == r.position && len(p.Items) > 0 && r.ID(&p.Items[0]) == r.recent[len(r.recent)-1]
}

// advance moves the position to the last of the fresh records, which is before index end of
// the page at offset, and returns them as a page.
func (r *reader[T]) advance(fresh []T, offset, end int, more bool) Page[T] {
	r.position = offset + end - 1
	r.count += len(fresh)
	r.ended = !more
	return Page[T]{Items: fresh, Offset: offset + end - len(fresh), Total: r.total}
}

// stepBack returns the offset of the preceding page. It overlaps by two records, to show
// whether any record follows the one at offset.
func stepBack(offset int) int { return max(0, offset-(MaxLimit-2)) }

// resume returns the index at which to continue: that of the first known item. Items before
// it were read earlier, precede the start, or were created in a part already read.
func (r *reader[T]) resume(p *Page[T]) (from int, ok bool) {
	for i := range p.Items {
		if r.isKnown(&p.Items[i]) {
			return i, true
		}
	}
	return 0, p.Offset == 0 && r.start == 0 // all records read were deleted
}

// fresh returns up to limit unread items, starting at index from, and the index after them.
func (r *reader[T]) fresh(items []T, from int) (fresh []T, end int) {
	for i := from; i < len(items) && len(fresh) < r.limit; i++ {
		if !r.isKnown(&items[i]) {
			fresh, end = append(fresh, items[i]), i+1
		}
	}
	return fresh, end
}

// more reports whether records may follow a page of n records, given the requested limit and
// how many of the n are fresh. They may if the page is full. If a shorter page leaves the
// count below Total, the service's pages are small, and only an empty page is the end.
func (r *reader[T]) more(n, limit, fresh int) bool {
	full := n == limit
	r.small = r.small || !full && r.start+r.count+fresh < r.total
	return full || r.small
}

// lastKnown returns the index of the last known item, or -1.
func (r *reader[T]) lastKnown(items []T) int {
	i := len(items) - 1
	for i >= 0 && !r.isKnown(&items[i]) {
		i--
	}
	return i
}

func (r *reader[T]) isKnown(item *T) bool {
	if r.known == nil {
		r.known = make(map[string]bool, len(r.recent))
		for _, id := range r.recent {
			r.known[id] = true
		}
	}
	return r.known[r.ID(item)]
}

// remember adds records to the last ones, and drops the oldest beyond memory.
func (r *reader[T]) remember(items []T) {
	for i := range items {
		r.recent = append(r.recent, r.ID(&items[i]))
	}
	if over := len(r.recent) - memory; over > 0 {
		r.recent = slices.Delete(r.recent, 0, over)
	}
	r.known = nil
}

// forget removes records that were read again, so that remember can add them at the end.
func (r *reader[T]) forget(items []T) {
	ids := make(map[string]bool, len(items))
	for i := range items {
		ids[r.ID(&items[i])] = true
	}
	r.recent = slices.DeleteFunc(r.recent, func(id string) bool { return ids[id] })
}
