package main

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// A meter runs work and returns a measurement.
type meter func(work func()) float64

func seconds(work func()) float64 {
	start := time.Now()
	work()
	return time.Since(start).Seconds()
}

// millisecondsPer returns a meter of the time per call, for work that makes n calls.
func millisecondsPer(n int) meter {
	return func(work func()) float64 { return 1e3 * seconds(work) / float64(n) }
}

// perSecond returns a meter of the calls or MiB per second, for work of n calls or MiB.
func perSecond(n int) meter {
	return func(work func()) float64 { return float64(n) / seconds(work) }
}

// allocationsPer returns a meter of the allocations per call, for work that makes n calls.
func allocationsPer(n int) meter {
	return func(work func()) float64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		work()
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / float64(n)
	}
}

// peakHeap measures how many MiB the heap grows, including garbage that is not collected yet.
func peakHeap(work func()) float64 {
	heap := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	runtime.GC() // sync.Pool keeps its contents for one collection
	idle := heap()
	peak := idle
	done := make(chan struct{})
	go func() { work(); close(done) }()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			peak = max(peak, heap())
		case <-done:
			return float64(peak-idle) / (1 << 20)
		}
	}
}
