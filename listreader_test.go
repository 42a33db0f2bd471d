package customizers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	errPastEnd = &Error{StatusCode: 400}
	errBroken  = errors.New("broken")
)

// A collection is the service's list, in memory. It may change after each request.
type collection struct {
	items    []Customizer
	created  int
	byName   bool // whether it is sorted by name
	requests []string
	maxPage  int  // maximum number of customizers per page
	minPage  int  // the same if a request's limit is lower, which the service ignores
	past400  bool // whether an offset past the end is an error
	change   func(*collection)
	fail     func(offset int) error
}

func newCollection(n int) *collection {
	l := &collection{maxPage: maxLimit}
	l.insert(0, n)
	return l
}

func (l *collection) customizer(name string) Customizer {
	l.created++
	return Customizer{
		ID: strconv.Itoa(l.created), Name: cmp.Or(name, fmt.Sprintf("n%06d", l.created)),
		Created: Timestamp{Time: time.Unix(int64(l.created), 0)},
	}
}

// insert creates n customizers before index at.
func (l *collection) insert(at, n int) {
	fresh := make([]Customizer, n)
	for i := range fresh {
		fresh[i] = l.customizer("")
	}
	l.items = slices.Insert(l.items, at, fresh...)
}

// add adds a customizer to a list that is sorted by name.
func (l *collection) add(c Customizer) {
	at, _ := slices.BinarySearchFunc(l.items, c, func(a, b Customizer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	l.items = slices.Insert(l.items, at, c)
}

func (l *collection) remove(at, n int) { l.items = slices.Delete(l.items, at, at+n) }

func (l *collection) index(id string) int {
	return slices.IndexFunc(l.items, func(c Customizer) bool { return c.ID == id })
}

// rename renames the customizer at an index, which moves it if the list is sorted by name.
func (l *collection) rename(at int, name string) {
	c := l.items[at]
	c.Name = name
	if l.byName {
		l.remove(at, 1)
		l.add(c)
	} else {
		l.items[at] = c
	}
}

func (l *collection) list(_ context.Context, opts ListOptions) (*Page, error) {
	l.requests = append(l.requests, fmt.Sprintf("%d+%d", opts.Offset, opts.Limit))
	if l.change != nil {
		defer l.change(l)
	}
	if l.fail != nil {
		if err := l.fail(opts.Offset); err != nil {
			return nil, err
		}
	}
	if l.past400 && opts.Offset > 0 && opts.Offset >= len(l.items) {
		return nil, errPastEnd
	}
	from := min(opts.Offset, len(l.items))
	n := min(max(opts.Limit, l.minPage), max(l.maxPage, l.minPage), len(l.items)-from)
	p := &Page{Offset: opts.Offset, Total: -1, Items: slices.Clone(l.items[from : from+n])}
	if opts.Count {
		p.Total = len(l.items)
	}
	return p, nil
}

// pages reads the list, and calls each with its pages.
func (l *collection) pages(t testing.TB, o ListOptions, each func(*Page)) error {
	t.Helper()
	var failure error
	newReader(l.list, o).pages(t.Context(), func(p *Page, err error) bool {
		require.NoError(t, failure, "nothing is yielded after an error")
		if failure = err; err == nil {
			assert.LessOrEqual(t, len(p.Items), o.limit())
			each(p)
		}
		return true
	})
	return failure
}

// read reads the list. It checks that no customizer is yielded twice and, unless there is an
// error, that each that exists throughout is yielded.
func (l *collection) read(t testing.TB, o ListOptions) (ids []string, err error) {
	t.Helper()
	lasting := map[string]bool{}
	for _, c := range l.items[min(o.Offset, len(l.items)):] {
		lasting[c.ID] = true
	}
	if change := l.change; change != nil {
		l.change = func(l *collection) {
			change(l)
			exists := map[string]bool{}
			for _, c := range l.items {
				exists[c.ID] = true
			}
			for id := range lasting {
				lasting[id] = lasting[id] && exists[id]
			}
		}
	}
	seen := map[string]bool{}
	err = l.pages(t, o, func(p *Page) {
		for _, c := range p.Items {
			require.False(t, seen[c.ID], "customizer %s was yielded twice", c.ID)
			seen[c.ID], ids = true, append(ids, c.ID)
		}
	})
	for id := range lasting {
		require.True(t, err != nil || seen[id] || !lasting[id], "customizer %s was missed", id)
	}
	return ids, err
}

// once returns a change that happens after the first request only.
func once(change func(*collection)) func(*collection) {
	return func(l *collection) {
		if len(l.requests) == 1 {
			change(l)
		}
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	type page struct {
		items         []string // numbers from 1
		offset, total int
	}
	for _, tt := range []struct {
		customizers int
		o           ListOptions
		want        []page
		requests    []string
	}{
		{0, ListOptions{}, []page{{nil, 0, -1}}, []string{"0+250"}},
		{0, ListOptions{Count: true}, []page{{nil, 0, 0}}, []string{"0+250"}},
		{2, ListOptions{}, []page{{[]string{"1", "2"}, 0, -1}}, []string{"0+250"}},
		{2, ListOptions{Offset: 9}, []page{{nil, 9, -1}}, []string{"8+250"}}, // the one before the offset shows whether the list shifts
		{2, ListOptions{Offset: 2}, []page{{nil, 2, -1}}, []string{"1+250"}},
		{2, ListOptions{Offset: 9, Count: true}, []page{{nil, 9, 2}}, []string{"8+250"}},
		{2, ListOptions{Offset: 1, Count: true}, []page{{[]string{"2"}, 1, 2}}, []string{"0+250"}},
		{3, ListOptions{Limit: 3}, []page{{[]string{"1", "2", "3"}, 0, -1}}, []string{"0+3", "2+4"}}, // a full page may not be the last
		{3, ListOptions{Limit: 3, Count: true}, []page{{[]string{"1", "2", "3"}, 0, 3}}, []string{"0+3"}},
		{4, ListOptions{Limit: 3}, []page{{[]string{"1", "2", "3"}, 0, -1}, {[]string{"4"}, 3, -1}}, []string{"0+3", "2+4"}},
		{7, ListOptions{Limit: 3}, []page{{[]string{"1", "2", "3"}, 0, -1}, {[]string{"4", "5", "6"}, 3, -1}, {[]string{"7"}, 6, -1}}, []string{"0+3", "2+4", "5+4"}},
		{7, ListOptions{Limit: 3, Count: true}, []page{{[]string{"1", "2", "3"}, 0, 7}, {[]string{"4", "5", "6"}, 3, 7}, {[]string{"7"}, 6, 7}}, []string{"0+3", "2+4", "5+4"}},
		{7, ListOptions{Offset: 2, Limit: 3}, []page{{[]string{"3", "4", "5"}, 2, -1}, {[]string{"6", "7"}, 5, -1}}, []string{"1+4", "4+4", "6+4"}},
		{6, ListOptions{Offset: 2, Limit: 3, Count: true}, []page{{[]string{"3", "4", "5"}, 2, 6}, {[]string{"6"}, 5, 6}}, []string{"1+4", "4+4"}},
	} {
		t.Run(fmt.Sprintf("%d %+v", tt.customizers, tt.o), func(t *testing.T) {
			t.Parallel()
			l := newCollection(tt.customizers)
			var got []page
			require.NoError(t, l.pages(t, tt.o, func(p *Page) {
				var ids []string
				for _, c := range p.Items {
					ids = append(ids, c.ID)
				}
				got = append(got, page{ids, p.Offset, p.Total})
			}))
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.requests, l.requests)
		})
	}
}

func TestReaderEnd(t *testing.T) {
	t.Parallel()
	t.Run("at a short page, without Total", func(t *testing.T) {
		t.Parallel()
		l := newCollection(60)
		l.maxPage = 50
		n := 0
		require.NoError(t, l.pages(t, ListOptions{}, func(p *Page) { n += len(p.Items) }))
		assert.Equal(t, 50, n, "a short page is documented as the end")
	})
	t.Run("at an error", func(t *testing.T) {
		t.Parallel()
		l := newCollection(600)
		l.fail = func(offset int) error {
			if offset > 0 {
				return errBroken
			}
			return nil
		}
		ids, err := l.read(t, ListOptions{})
		require.ErrorIs(t, err, errBroken)
		assert.Len(t, ids, 250)
		assert.Len(t, l.requests, 2)
	})
	t.Run("with an error if the first page is empty but Total is not 0", func(t *testing.T) {
		t.Parallel()
		for _, offset := range []int{0, 1} {
			l := newCollection(3)
			l.maxPage = 0
			_, err := l.read(t, ListOptions{Offset: offset, Count: true})
			require.ErrorContains(t, err, fmt.Sprintf("the page at offset %d is empty, but the list has 3 customizers", offset))
		}
	})
	t.Run("with an error if the position stays lost", func(t *testing.T) {
		t.Parallel()
		l := newCollection(10_000)
		l.change = func(l *collection) {
			if len(l.requests) == 36 {
				l.insert(0, 10_000)
			}
		}
		err := l.pages(t, ListOptions{}, func(*Page) {})
		require.ErrorContains(t, err, "the list changed too fast to follow (lost position near offset 8964)")
		assert.Len(t, l.requests, 36+maxRequests)
	})
	t.Run("with an error if the service ignores the offset", func(t *testing.T) {
		t.Parallel()
		all := newCollection(300)
		all.minPage = 300
		err := func() (failure error) {
			newReader(func(ctx context.Context, o ListOptions) (*Page, error) {
				o.Offset = 0
				return all.list(ctx, o)
			}, ListOptions{}).pages(t.Context(), func(_ *Page, err error) bool { failure = err; return true })
			return failure
		}()
		require.ErrorContains(t, err, "lost position")
	})
}

// With Total, the list does not end before all were read, even if the service's pages are
// smaller than requested.
func TestReaderSmallPages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		maxPage int
		o       ListOptions
		change  func(*collection) // after the first request
		want    int
	}{
		{maxPage: 50, o: ListOptions{Count: true}, want: 620},
		{maxPage: 2, o: ListOptions{Count: true}, want: 620},
		{maxPage: 50, o: ListOptions{Offset: 100, Count: true}, want: 520},
		{maxPage: 50, o: ListOptions{Limit: 50, Count: true}, want: 620},
		{maxPage: 50, o: ListOptions{Limit: 50}, want: 620},
		{maxPage: 20, o: ListOptions{Limit: 50, Count: true}, want: 620},
		{maxPage: 1, o: ListOptions{Count: true}, want: 620},
		{maxPage: 1, o: ListOptions{Limit: 1, Count: true}, want: 620},
		{maxPage: 1, o: ListOptions{Offset: 600, Count: true}, want: 20},
		{maxPage: 50, o: ListOptions{Count: true}, change: func(l *collection) { l.remove(0, 1) }, want: 620},
		{maxPage: 50, o: ListOptions{Count: true}, change: func(l *collection) { l.remove(0, 200) }, want: 470},
		{maxPage: 50, o: ListOptions{Count: true}, change: func(l *collection) { l.remove(50, 570) }, want: 50},
		{maxPage: 50, o: ListOptions{Count: true}, change: func(l *collection) { l.insert(0, 5) }, want: 625},
		{maxPage: 50, o: ListOptions{Count: true}, change: func(l *collection) { l.insert(60, 500) }, want: 1120},
		{maxPage: 10, o: ListOptions{Count: true}, change: func(l *collection) { l.remove(0, 5) }, want: 620},
		{maxPage: 10, o: ListOptions{Offset: 300, Count: true}, change: func(l *collection) { l.remove(0, 40) }, want: 320},
		{maxPage: 100, o: ListOptions{Limit: 100}, change: func(l *collection) { l.remove(0, 40) }, want: 620},
		{maxPage: 310, o: ListOptions{Count: true}, change: func(l *collection) { l.insert(400, 200) }, want: 820},
	} {
		for _, past400 := range []bool{false, true} {
			l := newCollection(620)
			l.maxPage, l.past400 = tt.maxPage, past400
			if tt.change != nil {
				l.change = once(tt.change)
			}
			ids, err := l.read(t, tt.o)
			require.NoError(t, err, "%+v", tt)
			assert.Len(t, ids, tt.want, "%+v", tt)
		}
	}
}

// With Count, the list goes on beyond the first Total if more were created meanwhile.
func TestReaderMoreThanTotal(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{100, 250} {
		l := newCollection(150)
		l.maxPage = 100
		l.change = once(func(l *collection) { l.insert(120, 100) })
		ids, err := l.read(t, ListOptions{Limit: limit, Count: true})
		require.NoError(t, err)
		assert.Len(t, ids, 250)
	}
}

// A service may ignore the limit. Nothing of a page longer than that is lost.
func TestReaderLargePages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ customizers, size, limit, offset int }{
		{600, 500, 250, 0}, {600, 500, 50, 0}, {600, 100, 50, 0}, {600, 600, 250, 0}, {3000, 2500, 250, 0},
		{600, 500, 250, 7}, {600, 2, 1, 0}, {5, 500, 2, 0},
	} {
		for _, count := range []bool{false, true} {
			for _, change := range []func(*collection){nil, func(l *collection) { l.remove(0, 1) }} {
				l := newCollection(tt.customizers)
				l.minPage = tt.size
				if change != nil {
					l.change = once(change)
				}
				ids, err := l.read(t, ListOptions{Limit: tt.limit, Offset: tt.offset, Count: count})
				require.NoError(t, err)
				assert.Len(t, ids, tt.customizers-tt.offset, "%+v", tt)
			}
		}
	}
}

func TestReaderOneChange(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		customizers int // 700 if 0
		o           ListOptions
		change      func(*collection)
		extra       int // requests more than without the change
	}{
		"none":                              {change: func(*collection) {}},
		"one before is deleted":             {change: func(l *collection) { l.remove(0, 1) }, extra: 5},
		"the last read is deleted":          {change: func(l *collection) { l.remove(249, 1) }, extra: 5},
		"the last three read are deleted":   {change: func(l *collection) { l.remove(247, 3) }, extra: 5},
		"all that were read are deleted":    {change: func(l *collection) { l.remove(0, 250) }, extra: 5},
		"all but the first are deleted":     {change: func(l *collection) { l.remove(1, 699) }, extra: 2},
		"all are deleted":                   {change: func(l *collection) { l.remove(0, 700) }, extra: 2},
		"the next one is deleted":           {change: func(l *collection) { l.remove(250, 1) }},
		"one is created at the front":       {change: func(l *collection) { l.insert(0, 1) }, extra: 3},
		"one is created before the last":    {change: func(l *collection) { l.insert(249, 1) }, extra: 5},
		"one is created at the end":         {change: func(l *collection) { l.insert(700, 1) }},
		"a page is created at the front":    {change: func(l *collection) { l.insert(0, 250) }, extra: 8},
		"three pages at the front":          {change: func(l *collection) { l.insert(0, 750) }, extra: 14},
		"with Total, a hundred are deleted": {o: ListOptions{Count: true}, change: func(l *collection) { l.remove(0, 100) }, extra: 10},
		"with Total, all but the first":     {o: ListOptions{Count: true}, change: func(l *collection) { l.remove(1, 699) }, extra: 5},
		"with Total, one is created":        {customizers: 499, o: ListOptions{Count: true}, change: func(l *collection) { l.insert(0, 1) }, extra: 4},
		"from an offset":                    {customizers: 900, o: ListOptions{Offset: 100}, change: func(l *collection) { l.remove(0, 50) }, extra: 8},
		"from an offset, all before it":     {customizers: 900, o: ListOptions{Offset: 100}, change: func(l *collection) { l.remove(0, 100) }, extra: 8},
		"from an offset, one created":       {customizers: 900, o: ListOptions{Offset: 100}, change: func(l *collection) { l.insert(0, 1) }, extra: 5},
	} {
		for _, past400 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, past400 %v", name, past400), func(t *testing.T) {
				t.Parallel()
				n := cmp.Or(tt.customizers, 700)
				unchanged := newCollection(n)
				_, err := unchanged.read(t, ListOptions{})
				require.NoError(t, err)
				l := newCollection(n)
				l.past400 = past400
				l.change = once(tt.change)
				_, err = l.read(t, tt.o)
				require.NoError(t, err)
				assert.LessOrEqual(t, len(l.requests), len(unchanged.requests)+tt.extra)
			})
		}
	}
}

// From an offset, the customizer before it shows how far the list has shifted. If it is gone
// too, the reader can't know where the unread ones begin.
func TestReaderOffset(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*collection)
		want   []string // of 10 from offset 2, with limit 2
		lost   bool
	}{
		"no change":                         {func(*collection) {}, []string{"3", "4", "5", "6", "7", "8", "9", "10"}, false},
		"one before":                        {func(l *collection) { l.remove(0, 1) }, []string{"3", "4", "5", "6", "7", "8", "9", "10"}, false},
		"all before":                        {func(l *collection) { l.remove(0, 2) }, []string{"3", "4", "5", "6", "7", "8", "9", "10"}, false},
		"all read":                          {func(l *collection) { l.remove(2, 2) }, []string{"3", "4", "5", "6", "7", "8", "9", "10"}, false},
		"all read and one before":           {func(l *collection) { l.remove(2, 2); l.remove(0, 1) }, []string{"3", "4", "5", "6", "7", "8", "9", "10"}, false},
		"all read and the one before those": {func(l *collection) { l.remove(1, 3) }, []string{"3", "4"}, true},
		"all up to there":                   {func(l *collection) { l.remove(0, 4) }, []string{"3", "4"}, true},
		"the whole list":                    {func(l *collection) { l.remove(0, 10) }, []string{"3", "4"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newCollection(10)
			l.change = once(tt.change)
			ids, err := l.read(t, ListOptions{Offset: 2, Limit: 2})
			assert.Equal(t, tt.want, ids)
			if tt.lost {
				require.ErrorContains(t, err, "the list changed too fast to follow (lost position near offset 3): read it again")
				return
			}
			require.NoError(t, err)
		})
	}
}

// The loop may delete what it reads.
func TestReaderLoopDeletes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		offset int
		count  bool
		keep   func(i int) bool
	}{
		"all":                   {keep: func(int) bool { return false }},
		"all, with Total":       {count: true, keep: func(int) bool { return false }},
		"all but the first few": {keep: func(i int) bool { return i < 5 }},
		"all but a page":        {keep: func(i int) bool { return i < 500 }},
		"every other":           {keep: func(i int) bool { return i%2 == 0 }},
		"all from the second":   {offset: 1, keep: func(int) bool { return false }},
		"all from the 300th":    {offset: 300, keep: func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const customizers = 3000
			l := newCollection(customizers + tt.offset)
			read := 0
			err := l.pages(t, ListOptions{Offset: tt.offset, Count: tt.count}, func(p *Page) {
				for _, c := range p.Items {
					require.Equal(t, strconv.Itoa(tt.offset+read+1), c.ID)
					if !tt.keep(read) {
						l.remove(l.index(c.ID), 1)
					}
					read++
				}
			})
			require.NoError(t, err)
			assert.Equal(t, customizers, read)
			assert.LessOrEqual(t, len(l.requests), 6*(customizers/249+1))
		})
	}
}

// The loop may rename what it reads, though the list is sorted by name.
func TestReaderLoopRenames(t *testing.T) {
	t.Parallel()
	for n, limits := range map[int][]int{300: {7, 250}, 1000: {100, 250}} {
		for _, limit := range limits {
			for name, rename := range map[string]func(i int, name string) string{
				"to the end":           func(_ int, name string) string { return "z" + name },
				"to the front":         func(_ int, name string) string { return "a" + name },
				"a bit further":        func(_ int, name string) string { return name[:5] + "9" + name[5:] },
				"every other, further": func(i int, name string) string { return []string{name, "z" + name}[i%2] },
			} {
				l := newCollection(n)
				l.byName = true
				i, seen := 0, map[string]bool{}
				require.NoError(t, l.pages(t, ListOptions{Limit: limit}, func(p *Page) {
					for _, c := range p.Items {
						require.False(t, seen[c.ID], "yielded twice")
						seen[c.ID] = true
						l.rename(l.index(c.ID), rename(i, c.Name))
						i++
					}
				}))
				assert.Len(t, seen, n, "%s, limit %d", name, limit)
			}
		}
	}
}

// The last one read may be at its position again though it has moved, because one before it was
// deleted. That it has changed shows that the unread ones after it may be others.
func TestReaderLastMoves(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*Customizer){
		func(c *Customizer) { c.Name = "renamed" },
		func(c *Customizer) { c.ImageVersion++ },
		func(c *Customizer) { c.Created = Timestamp{Time: time.Unix(9, 0)} }, // created again with its ID
	} {
		l := newCollection(6)
		l.change = once(func(l *collection) {
			c := l.items[1]
			change(&c)
			l.items = slices.Insert(slices.Delete(l.items, 1, 2), 2, c)
			l.remove(0, 1)
		})
		ids, err := l.read(t, ListOptions{Limit: 2})
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"1", "2", "3", "4", "5", "6"}, ids)
	}
}

// A reader remembers at most memory customizers, however long the list. The loop may rename them.
func TestReaderMemory(t *testing.T) {
	t.Parallel()
	l := newCollection(3 * memory)
	r := newReader(l.list, ListOptions{})
	most, n := 0, 0
	r.pages(t.Context(), func(p *Page, err error) bool {
		require.NoError(t, err)
		for _, c := range p.Items {
			n++
			require.Equal(t, strconv.Itoa(n), c.ID)
			l.rename(n-1, "renamed")
		}
		most = max(most, len(r.recent))
		return true
	})
	assert.Equal(t, memory, most)
	assert.Equal(t, 3*memory, n)
}

// TestReaderHistories reads lists that change at random between requests, and compares what is
// yielded with what existed throughout. HISTORIES sets how many lists it reads.
func TestReaderHistories(t *testing.T) {
	t.Parallel()
	histories, _ := strconv.Atoi(os.Getenv("HISTORIES"))
	n := cmp.Or(histories, 400)
	lost := map[bool]int{}
	for seed := range uint64(n) {
		if fromStart, err := history(t, seed); err != nil {
			require.True(t, errors.Is(err, errPastEnd) || strings.Contains(err.Error(), "lost position"), "seed %d: %v", seed, err)
			lost[fromStart]++
		}
	}
	t.Logf("position lost: %d times from the start, %d times from an offset", lost[true], lost[false])
	assert.LessOrEqual(t, lost[true], n/1000)
	assert.LessOrEqual(t, lost[false], n/10)
}

// history reads one list. It fails the test if a customizer is yielded twice, or if there is no
// error and one is missed that existed throughout and had not moved before it was read. A list that is
// longer than memory must keep its order.
func history(t *testing.T, seed uint64) (fromStart bool, failure error) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(values ...int) int { return values[rnd.IntN(len(values))] }
	o := ListOptions{Limit: pick(0, 1, 2, 3, 10, 50, 249, 250), Count: rnd.IntN(2) == 0}
	n := rnd.IntN(pick(4, 10, 20, 40, 100, 300) + 1)
	if rnd.IntN(50) == 0 {
		n = rnd.IntN(min(2500, 20*o.limit()))
	}
	l := newCollection(n)
	l.byName, l.past400 = rnd.IntN(2) == 0, rnd.IntN(2) == 0
	switch rnd.IntN(4) {
	case 0:
		l.minPage = 1 + rnd.IntN(pick(2, 20, 600))
	case 1:
		if l.maxPage = max(2, rnd.IntN(maxLimit)); !o.Count { // a short page is documented as the end
			l.maxPage = max(l.maxPage, o.limit())
		}
	}
	if rnd.IntN(3) == 0 && n > 0 {
		o.Offset = rnd.IntN(n)
	}

	lasting, seen, moved := map[string]bool{}, map[string]bool{}, false
	for _, c := range l.items[o.Offset:] {
		lasting[c.ID] = true
	}
	var gone []Customizer
	change := func() {
		at := 0
		if len(l.items) > 0 {
			at = rnd.IntN(len(l.items))
		}
		switch kind := rnd.IntN(10); {
		case kind < 4 || len(l.items) == 0:
			if c := l.customizer(""); l.byName {
				c.Name = fmt.Sprintf("n%06d", rnd.IntN(n+1))
				l.add(c)
			} else {
				l.items = slices.Insert(l.items, pick(at, len(l.items), 0), c)
			}
		case kind < 7:
			for range 1 + rnd.IntN(min(pick(1, 5, 30), len(l.items)-at)) {
				gone = append(gone, l.items[at])
				delete(lasting, l.items[at].ID)
				l.remove(at, 1)
			}
		case kind < 8 && len(gone) > 0: // created again with the same ID
			c := gone[rnd.IntN(len(gone))]
			if l.index(c.ID) < 0 {
				c.Created, moved = l.customizer("").Created, true
				if l.byName {
					l.add(c)
				} else {
					l.items = slices.Insert(l.items, at, c)
				}
			}
		case l.byName:
			c := l.items[at]
			if moved = true; !seen[c.ID] {
				delete(lasting, c.ID)
			}
			l.rename(at, fmt.Sprintf("n%06d", rnd.IntN(n+1)))
		}
	}
	often := pick(0, 1, 2, 8)
	l.change = func(*collection) {
		for range rnd.IntN(often + 1) {
			change()
		}
	}
	loop := rnd.IntN(6)
	newReader(l.list, o).pages(t.Context(), func(p *Page, err error) bool {
		if failure = err; err != nil {
			return true
		}
		for _, c := range p.Items {
			require.False(t, seen[c.ID] && (len(seen) <= memory || !moved), "seed %d: %s was yielded twice", seed, c.ID)
			seen[c.ID] = true
			at := l.index(c.ID)
			switch {
			case at < 0:
			case loop == 1 || loop == 2 && rnd.IntN(2) == 0:
				l.remove(at, 1)
				delete(lasting, c.ID)
			case loop == 3:
				l.rename(at, "z"+c.Name)
				moved = true
			case loop == 4 && rnd.IntN(5) == 0:
				change()
			}
		}
		return true
	})
	for id := range lasting {
		require.True(t, failure != nil || seen[id] || moved && len(seen) > memory, "seed %d, %+v: %s was missed", seed, o, id)
	}
	return o.Offset == 0, failure
}
