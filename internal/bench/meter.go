package main

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// A meter measures one run of work.
type meter func(work func()) float64

func seconds(work func()) float64 {
	start := time.Now()
	work()
	return time.Since(start).Seconds()
}

// millisecondsPer returns a meter of the time of one call, where a run makes n.
func millisecondsPer(n int) meter {
	return func(work func()) float64 { return 1e3 * seconds(work) / float64(n) }
}

// perSecond returns a meter of the calls, or MiB, in a second, where a run does n.
func perSecond(n int) meter {
	return func(work func()) float64 { return float64(n) / seconds(work) }
}

// allocationsPer returns a meter of the allocations of one call, where a run makes n.
func allocationsPer(n int) meter {
	return func(work func()) float64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		work()
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / float64(n)
	}
}

// peakHeap measures in MiB how far the heap grows, including garbage not yet collected.
func peakHeap(work func()) float64 {
	heap := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	runtime.GC() // pools keep their contents for one collection
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
