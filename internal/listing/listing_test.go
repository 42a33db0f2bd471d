package listing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	errPastEnd = errors.New("offset is past the end")
	errBroken  = errors.New("broken")
)

// A list is a list of the service, in memory. It may change after each request.
type list struct {
	ids      []int
	created  int
	requests []string
	maxPage  int           // maximum number of records that the service returns per page
	past400  bool          // whether an offset past the end is an error
	change   func(l *list) // called after each request
	fail     func(offset int) error
}

func newList(n int) *list {
	l := &list{maxPage: MaxLimit}
	l.insert(0, n)
	return l
}

// insert creates n records before index at.
func (l *list) insert(at, n int) {
	fresh := make([]int, n)
	for i := range fresh {
		l.created++
		fresh[i] = l.created
	}
	l.ids = slices.Insert(l.ids, at, fresh...)
}

func (l *list) remove(at, n int) { l.ids = slices.Delete(l.ids, at, at+n) }

func (l *list) fetch(_ context.Context, offset, limit int, count bool) (Page[int], error) {
	l.requests = append(l.requests, fmt.Sprintf("%d+%d", offset, limit))
	if l.change != nil {
		defer l.change(l)
	}
	if l.fail != nil {
		if err := l.fail(offset); err != nil {
			return Page[int]{}, err
		}
	}
	if l.past400 && offset > 0 && offset >= len(l.ids) {
		return Page[int]{}, errPastEnd
	}
	from := min(offset, len(l.ids))
	p := Page[int]{Offset: offset, Total: -1, Items: slices.Clone(l.ids[from:min(from+min(limit, l.maxPage), len(l.ids))])}
	if count {
		p.Total = len(l.ids)
	}
	return p, nil
}

func (l *list) source() Source[int] {
	return Source[int]{
		Fetch:   l.fetch,
		ID:      func(id *int) string { return fmt.Sprint(*id) },
		PastEnd: func(err error) bool { return errors.Is(err, errPastEnd) },
	}
}

// options are the arguments of Pages.
type options struct {
	offset, limit int
	count         bool
}

func (l *list) pages(t *testing.T, o options, each func(Page[int])) error {
	t.Helper()
	var failure error
	for p, err := range l.source().Pages(t.Context(), o.offset, cmp.Or(o.limit, MaxLimit), o.count) {
		require.NoError(t, failure, "nothing is yielded after an error")
		if failure = err; err == nil {
			each(p)
		}
	}
	return failure
}

// read reads the list. It checks that no record is yielded twice and, unless there is an
// error, that every record that exists throughout is yielded.
func (l *list) read(t *testing.T, o options) (ids []int, err error) {
	t.Helper()
	lasting := map[int]bool{}
	for _, id := range l.ids[min(o.offset, len(l.ids)):] {
		lasting[id] = true
	}
	if change := l.change; change != nil {
		l.change = func(l *list) {
			change(l)
			exists := map[int]bool{}
			for _, id := range l.ids {
				exists[id] = true
			}
			for id := range lasting {
				lasting[id] = exists[id]
			}
		}
	}
	seen := map[int]bool{}
	err = l.pages(t, o, func(p Page[int]) {
		assert.LessOrEqual(t, len(p.Items), cmp.Or(o.limit, MaxLimit))
		for _, id := range p.Items {
			require.False(t, seen[id], "record %d was yielded twice", id)
			seen[id], ids = true, append(ids, id)
		}
	})
	for id := range lasting {
		require.True(t, err != nil || seen[id] || !lasting[id], "record %d was missed", id)
	}
	return ids, err
}

func TestPages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		records  int
		o        options
		want     []Page[int] // Items are numbers from 1
		requests []string
	}{
		{0, options{}, []Page[int]{{nil, 0, -1}}, []string{"0+250"}},
		{0, options{count: true}, []Page[int]{{nil, 0, 0}}, []string{"0+250"}},
		{2, options{}, []Page[int]{{[]int{1, 2}, 0, -1}}, []string{"0+250"}},
		{2, options{offset: 9}, []Page[int]{{nil, 9, -1}}, []string{"9+250"}},
		{2, options{offset: 9, count: true}, []Page[int]{{nil, 9, 2}}, []string{"9+250"}},
		{2, options{offset: 1, count: true}, []Page[int]{{[]int{2}, 1, 2}}, []string{"1+250"}},
		{3, options{limit: 3}, []Page[int]{{[]int{1, 2, 3}, 0, -1}}, []string{"0+3", "2+4"}}, // a full page may not be the last
		{3, options{limit: 3, count: true}, []Page[int]{{[]int{1, 2, 3}, 0, 3}}, []string{"0+3"}},
		{4, options{limit: 3}, []Page[int]{{[]int{1, 2, 3}, 0, -1}, {[]int{4}, 3, -1}}, []string{"0+3", "2+4"}},
		{7, options{limit: 3}, []Page[int]{{[]int{1, 2, 3}, 0, -1}, {[]int{4, 5, 6}, 3, -1}, {[]int{7}, 6, -1}}, []string{"0+3", "2+4", "5+4"}},
		{7, options{limit: 3, count: true}, []Page[int]{{[]int{1, 2, 3}, 0, 7}, {[]int{4, 5, 6}, 3, 7}, {[]int{7}, 6, 7}}, []string{"0+3", "2+4", "5+4"}},
	} {
		t.Run(fmt.Sprintf("%d %+v", tt.records, tt.o), func(t *testing.T) {
			t.Parallel()
			l := newList(tt.records)
			var got []Page[int]
			require.NoError(t, l.pages(t, tt.o, func(p Page[int]) {
				p.Items = append([]int(nil), p.Items...)
				got = append(got, p)
			}))
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.requests, l.requests)
		})
	}
}

func TestNumberOfRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		records, requests int
		count             bool
	}{
		{249, 1, false},
		{250, 2, false},
		{250, 1, true},
		{498, 2, false}, // the second page overlaps the first by one record
		{499, 3, false},
		{500, 3, true},
		{10_000, 41, false},
	} {
		l := newList(tt.records)
		ids, err := l.read(t, options{count: tt.count})
		require.NoError(t, err)
		assert.Len(t, ids, tt.records)
		assert.Len(t, l.requests, tt.requests, "%d records, count %v", tt.records, tt.count)
	}
}

func TestPagesEnd(t *testing.T) {
	t.Parallel()
	t.Run("at a break", func(t *testing.T) {
		t.Parallel()
		l := newList(600)
		for _, err := range l.source().Pages(t.Context(), 0, MaxLimit, false) {
			require.NoError(t, err)
			break
		}
		assert.Len(t, l.requests, 1)
	})
	t.Run("at a short page, without Total", func(t *testing.T) {
		t.Parallel()
		l := newList(60)
		l.maxPage = 50
		var got int
		require.NoError(t, l.pages(t, options{}, func(p Page[int]) { got += len(p.Items) }))
		assert.Equal(t, 50, got, "a short page is documented as the end")
	})
	t.Run("at an error", func(t *testing.T) {
		t.Parallel()
		l := newList(600)
		l.fail = func(offset int) error {
			if offset > 0 {
				return errBroken
			}
			return nil
		}
		ids, err := l.read(t, options{})
		require.ErrorIs(t, err, errBroken)
		assert.Len(t, ids, 250)
		assert.Len(t, l.requests, 2)
	})
	t.Run("at an error past the end", func(t *testing.T) {
		t.Parallel()
		l := newList(3)
		l.past400 = true
		_, err := l.read(t, options{offset: 5})
		require.ErrorIs(t, err, errPastEnd, "the caller chose the offset")
	})
	t.Run("with an error if the service refuses large offsets", func(t *testing.T) {
		t.Parallel()
		l := newList(1000)
		l.fail = func(offset int) error {
			if offset >= 500 {
				return errPastEnd
			}
			return nil
		}
		ids, err := l.read(t, options{})
		require.ErrorIs(t, err, errPastEnd)
		assert.Len(t, ids, 749, "up to the last offset that is accepted")
	})
	t.Run("with an error if the first page is empty but Total is not 0", func(t *testing.T) {
		t.Parallel()
		l := newList(3)
		l.maxPage = 0
		_, err := l.read(t, options{count: true})
		require.ErrorContains(t, err, "the page at offset 0 is empty, but the list has 3 records")
	})
	t.Run("with an error if the position stays lost", func(t *testing.T) {
		t.Parallel()
		l := newList(10_000)
		l.change = func(l *list) {
			if len(l.requests) == 36 {
				l.insert(0, 10_000)
			}
		}
		err := l.pages(t, options{}, func(Page[int]) {})
		require.ErrorContains(t, err, "the list changes faster than it can be read")
		assert.Len(t, l.requests, 36+maxRequests)
	})
	t.Run("and can be read again", func(t *testing.T) {
		t.Parallel()
		pages := newList(5).source().Pages(t.Context(), 0, 2, false)
		for range 2 {
			n := 0
			for p, err := range pages {
				require.NoError(t, err)
				n += len(p.Items)
			}
			assert.Equal(t, 5, n)
		}
	})
}

// With Total, the list does not end before all records were read, even if the service's pages
// are smaller than requested.
func TestSmallPages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		maxPage int
		o       options
		change  func(*list) // after the first request
		want    int
	}{
		{maxPage: 50, o: options{count: true}, want: 620},
		{maxPage: 2, o: options{count: true}, want: 620},
		{maxPage: 50, o: options{offset: 100, count: true}, want: 520},
		{maxPage: 50, o: options{limit: 50, count: true}, want: 620},
		{maxPage: 20, o: options{limit: 50, count: true}, want: 620},
		{maxPage: 1, o: options{count: true}, want: 620},
		{maxPage: 1, o: options{limit: 1, count: true}, want: 620},
		{maxPage: 50, o: options{count: true}, change: func(l *list) { l.remove(0, 1) }, want: 620},
		{maxPage: 50, o: options{count: true}, change: func(l *list) { l.remove(0, 200) }, want: 470},
		{maxPage: 50, o: options{count: true}, change: func(l *list) { l.remove(50, 570) }, want: 50},
		{maxPage: 50, o: options{count: true}, change: func(l *list) { l.insert(0, 5) }, want: 620},
		{maxPage: 50, o: options{count: true}, change: func(l *list) { l.insert(60, 500) }, want: 1120},
	} {
		for _, past400 := range []bool{false, true} {
			l := newList(620)
			l.maxPage, l.past400 = tt.maxPage, past400
			if tt.change != nil {
				l.change = func(l *list) {
					if len(l.requests) == 1 {
						tt.change(l)
					}
				}
			}
			ids, err := l.read(t, tt.o)
			require.NoError(t, err, "%+v", tt)
			assert.Len(t, ids, tt.want, "%+v", tt)
		}
	}
}

func TestOneChange(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		records int // 700 if 0
		o       options
		change  func(*list)
		extra   int // requests more than without the change
	}{
		"none":                              {change: func(*list) {}},
		"one before is deleted":             {change: func(l *list) { l.remove(0, 1) }, extra: 2},
		"the last read is deleted":          {change: func(l *list) { l.remove(249, 1) }, extra: 2},
		"the last three read are deleted":   {change: func(l *list) { l.remove(247, 3) }, extra: 2},
		"all that were read are deleted":    {change: func(l *list) { l.remove(0, 250) }, extra: 2},
		"all but the first are deleted":     {change: func(l *list) { l.remove(1, 699) }, extra: 2},
		"all are deleted":                   {change: func(l *list) { l.remove(0, 700) }, extra: 2},
		"the next one is deleted":           {change: func(l *list) { l.remove(250, 1) }},
		"one is created at the front":       {change: func(l *list) { l.insert(0, 1) }},
		"one is created before the last":    {change: func(l *list) { l.insert(249, 1) }, extra: 2},
		"one is created at the end":         {change: func(l *list) { l.insert(700, 1) }},
		"a page is created at the front":    {change: func(l *list) { l.insert(0, 250) }, extra: 5},
		"three pages at the front":          {change: func(l *list) { l.insert(0, 750) }, extra: 8},
		"with Total, a hundred are deleted": {o: options{count: true}, change: func(l *list) { l.remove(0, 100) }, extra: 4},
		"with Total, all but the first":     {o: options{count: true}, change: func(l *list) { l.remove(1, 699) }, extra: 4},
		"with Total, one is created":        {records: 499, o: options{count: true}, change: func(l *list) { l.insert(0, 1) }, extra: 1},
		"from an offset":                    {records: 900, o: options{offset: 100}, change: func(l *list) { l.remove(0, 50) }, extra: 2},
		"from an offset, all before it":     {records: 900, o: options{offset: 100}, change: func(l *list) { l.remove(0, 100) }, extra: 2},
		"from an offset, one created":       {records: 900, o: options{offset: 100}, change: func(l *list) { l.insert(0, 1) }},
	} {
		for _, past400 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, past400 %v", name, past400), func(t *testing.T) {
				t.Parallel()
				records := cmp.Or(tt.records, 700)
				unchanged := newList(records)
				_, err := unchanged.read(t, options{})
				require.NoError(t, err)
				l := newList(records)
				l.past400 = past400
				l.change = func(l *list) {
					if len(l.requests) == 1 {
						tt.change(l)
					}
				}
				_, err = l.read(t, tt.o)
				require.NoError(t, err)
				assert.LessOrEqual(t, len(l.requests), len(unchanged.requests)+tt.extra)
			})
		}
	}
}

// Random changes anywhere in the list after every request.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		o := options{limit: []int{1, 2, 10, 100, 249, 250}[rnd.IntN(6)], count: rnd.IntN(2) == 0}
		l := newList(rnd.IntN(min(1500, 50*o.limit)))
		l.past400 = seed%2 == 0
		if o.count && rnd.IntN(3) == 0 {
			l.maxPage = 50 + rnd.IntN(200)
		}
		if o.limit >= 100 && rnd.IntN(2) == 0 { // with a smaller limit, all records read may be deleted
			o.offset = rnd.IntN(len(l.ids) + 1)
		}
		if l.past400 && o.offset == len(l.ids) {
			o.offset = 0 // the first request would fail
		}
		records, changes := len(l.ids), 0
		l.change = func(l *list) {
			for range rnd.IntN(4) {
				changes++
				if rnd.IntN(2) == 0 {
					l.insert(rnd.IntN(len(l.ids)+1), 1)
				} else if len(l.ids) > 0 {
					at := rnd.IntN(len(l.ids))
					l.remove(at, 1+rnd.IntN(min(5, len(l.ids)-at)))
				}
			}
		}
		t.Run(fmt.Sprintf("seed %d, %+v, maxPage %d", seed, o, l.maxPage), func(t *testing.T) {
			_, err := l.read(t, o)
			require.NoError(t, err)
			page := max(1, min(o.limit, l.maxPage-1))
			assert.LessOrEqual(t, len(l.requests), (records+changes)/page+4+6*changes)
		})
	}
}

// The loop may delete the records that it reads.
func TestLoopDeletes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		offset int
		count  bool
		keep   func(i int) bool
	}{
		"all":                   {keep: func(int) bool { return false }},
		"all, with Total":       {count: true, keep: func(int) bool { return false }},
		"all but the first few": {keep: func(i int) bool { return i < 5 }},
		"every other":           {keep: func(i int) bool { return i%2 == 0 }},
		"all from the second":   {offset: 1, keep: func(int) bool { return false }},
		"all from the 300th":    {offset: 300, keep: func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const records = 3000
			l := newList(records + tt.offset)
			read := 0
			err := l.pages(t, options{offset: tt.offset, count: tt.count}, func(p Page[int]) {
				for _, id := range p.Items {
					require.Equal(t, tt.offset+read+1, id)
					if !tt.keep(read) {
						l.remove(slices.Index(l.ids, id), 1)
					}
					read++
				}
			})
			require.NoError(t, err)
			assert.Equal(t, records, read)
			assert.LessOrEqual(t, len(l.requests), 6*(records/249+1))
		})
	}
}

// A reader remembers at most memory records, however long the list.
func TestRememberLimit(t *testing.T) {
	t.Parallel()
	s := newList(0).source()
	r := &reader[int]{Source: s}
	for i := range 2 * memory {
		items := []int{i, i / 2} // half of them are read again
		r.forget(items)
		r.remember(items)
		assert.LessOrEqual(t, len(r.recent), memory)
	}
	assert.Len(t, r.recent, memory)
	assert.True(t, r.isKnown(new(2*memory-1)))
	assert.True(t, r.isKnown(new(memory-1)), "read again recently")
	assert.False(t, r.isKnown(new(1)))
}
