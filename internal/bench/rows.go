package main

import (
	"log"
	"net/http"
	"os"
	"os/exec"
	"sync"
)

const (
	id         = "7f1f0f0e-6d25-4a39-9c69-000000000000"
	token      = "an-access-token-of-some-length"
	goroutines = 32
)

// A client does the measured work. Its methods panic if it fails.
type client interface {
	get()
	list(limit int)
	all() (records int)
	create()
	update()
	upload(archive *os.File)
}

// A row compares the work of plain, at index 0, with the SDK's, at index 1.
type row struct {
	what, goal string
	work       [2]func()
	meter      meter
	format     string // of the meter's values
}

// A scale sets the amount of work in a run.
type scale struct{ calls, records, mib int }

// rows returns the rows whose work calls the tenant at url.
func rows(url string, archive *os.File, s scale) []row {
	clients := [2]client{plain{url + collection, newHTTPClient()}, newSDK(url, newHTTPClient())}
	both := func(work func(client)) [2]func() {
		return [2]func(){func() { work(clients[0]) }, func() { work(clients[1]) }}
	}
	repeat := func(calls ...func(client)) func(client) {
		return func(c client) {
			for i := range s.calls {
				calls[i%len(calls)](c)
			}
		}
	}
	small := func(c client) { c.list(10) }
	mixed := repeat(client.get, small, client.create, client.update)

	get := both(repeat(client.get))
	list := both(repeat(func(c client) { c.list(250) }))
	all := both(func(c client) {
		if n := c.all(); n != s.records {
			log.Panicf("%d records (want %d)", n, s.records)
		}
	})
	upload := both(func(c client) { c.upload(archive) })
	parallel := both(func(c client) {
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() { mixed(c) })
		}
		wg.Wait()
	})
	return []row{
		{"`Get`", "ratio ≤ 1.05", get, millisecondsPer(s.calls), "%.3f ms"},
		{"`List` of 250", "ratio ≤ 1.05", list, millisecondsPer(s.calls), "%.3f ms"},
		{"`List` of 250, allocations", "ratio ≤ 1.05", list, allocationsPer(s.calls), "%.0f"},
		{"`All` over 100,000", "ratio ≤ 1.00", all, millisecondsPer(1), "%.0f ms"},
		{"`All` over 100,000, peak heap above idle", "SDK < 4 MiB", all, peakHeap, "%.1f MiB"},
		{"upload of 256 MiB", "ratio ≥ 0.97", upload, perSecond(s.mib), "%.0f MiB/s"},
		{"upload of 256 MiB, peak heap above idle", "SDK < 8 MiB", upload, peakHeap, "%.1f MiB"},
		{"mixed calls by 32 goroutines", "ratio ≥ 0.95", parallel, perSecond(goroutines * s.calls), "%.0f calls/s"},
	}
}

// newHTTPClient returns an HTTP client with its own connections.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	return &http.Client{Transport: t}
}

// startRow returns the row that measures the start of the command. The programs are in dir.
func startRow(dir string) row {
	work := [2]func(){
		func() { check(exec.CommandContext(ctx, dir+"/nethttp").Run()) },
		func() { check(exec.CommandContext(ctx, dir+"/customizers", "version").Run()) },
	}
	return row{"start of `customizers version`", "SDK < 15 ms", work, millisecondsPer(1), "%.1f ms"}
}
