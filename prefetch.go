package customizers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// maxPrefetch bounds ListOptions.Prefetch. While a page is fetched ahead, the loop may
// delete all of those before it, and a reading finds its place again only among the
// records that it remembers.
const maxPrefetch = remembered / maxLimit

// A prefetch has the requests for the pages that a reading will most likely ask for
// next. Each page but the last is full, so where the next one begins is known before
// it has come. When the reading asks for another, because the list has shifted, all
// that was fetched is thrown away: what it is given is always what it asked for.
//
// Fetched ahead, a page may show the list as it was before the page in front of it was
// read. That does no harm: it too begins with the record that the one in front ends
// with, or else is not taken for the next.
type prefetch struct {
	list    func(context.Context, ListOptions) (*Page, error)
	depth   int
	queue   []*fetch // in the order of the pages
	running sync.WaitGroup
	panics  atomic.Pointer[panicError] // one that the loop has not seen
}

// A fetch is a request made ahead.
type fetch struct {
	opts   ListOptions
	stop   context.CancelFunc
	queued chan struct{} // closed when the request has its place in the order of the calls
	done   chan struct{} // closed when there is a page or an error
	page   *Page
	err    error
}

// A panicError is a panic of a transport, an observer or the like while a page is
// fetched, brought to the loop, where it can be recovered.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string {
	return fmt.Sprintf("%v\n\nwhile a page was fetched ahead, by\n%s", p.value, p.stack)
}

func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// get returns the page that opts ask for, from the requests under way if it is the next
// of them.
func (p *prefetch) get(ctx context.Context, opts ListOptions) (*Page, error) {
	if len(p.queue) == 0 || p.queue[0].opts != opts || ctx.Err() != nil {
		p.drop()
		return p.list(ctx, opts)
	}
	f := p.queue[0]
	p.queue[0] = nil // its page is the loop's now
	p.queue = p.queue[1:]
	<-f.done // it ends with ctx
	p.raise()
	return f.page, f.err
}

// fill begins requests for the page that opts ask for and those that follow, as many
// as may be under way. None is for records from total on, if that is not negative.
func (p *prefetch) fill(ctx context.Context, opts ListOptions, total int) {
	if len(p.queue) > 0 {
		if p.queue[0].opts != opts {
			p.drop()
		} else {
			opts = p.queue[len(p.queue)-1].opts
			opts.Offset += opts.Limit - 1
		}
	}
	for ; len(p.queue) < p.depth && (total < 0 || opts.Offset+1 < total); opts.Offset += opts.Limit - 1 {
		var before *fetch
		if n := len(p.queue); n > 0 {
			before = p.queue[n-1]
		}
		ctx, stop := context.WithCancel(ctx)
		f := &fetch{opts: opts, stop: stop, queued: make(chan struct{}), done: make(chan struct{}), err: errEnded}
		p.queue = append(p.queue, f)
		p.running.Go(func() { p.run(ctx, f, before) })
	}
}

var errEnded = errors.New("customizers: the goroutine that fetched a page ahead was ended")

// run makes a request when the one before has its place, so that a rate limit that is
// spent holds back the page that is needed last.
func (p *prefetch) run(ctx context.Context, f, before *fetch) {
	queued := sync.OnceFunc(func() { close(f.queued) })
	defer func() {
		if r := recover(); r != nil {
			p.panics.CompareAndSwap(nil, &panicError{r, debug.Stack()})
		}
		queued()
		f.stop()
		close(f.done)
	}()
	if before != nil {
		select {
		case <-before.queued:
		case <-ctx.Done():
		}
	}
	f.page, f.err = p.list(context.WithValue(ctx, queuedKey{}, queued), f.opts)
}

// raise panics in the loop with what panicked in a fetch.
func (p *prefetch) raise() {
	if r := p.panics.Swap(nil); r != nil {
		panic(r)
	}
}

// drop ends the requests under way.
func (p *prefetch) drop() {
	for _, f := range p.queue {
		f.stop()
	}
	p.queue = nil
}

// end ends the requests under way, and returns when they have.
func (p *prefetch) end() {
	p.drop()
	p.running.Wait()
	p.raise()
}
