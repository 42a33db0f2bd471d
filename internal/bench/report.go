package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

const head = `# Benchmarks

This page is the output of %s, with %s on %s/%s and %d cores.

Each row compares the SDK with hand-written code that does the same work with net/http and
encoding/json: it sets an Authorization header and a timeout, checks the status and reads the
whole body. The last row compares with a program that only links net/http. Both sides use the
same transport settings and one server, over plain HTTP on loopback. The SDK's rate limit is off.

The two sides take turns for %d rounds. The table shows medians. The ratio is the SDK's value
divided by that of the hand-written code in the same round; its quartiles show the noise.

| what | by hand | SDK | ratio | quartiles | goal |
|---|---|---|---|---|---|
`

// report measures the rows and returns the page.
func report(rows []row, rounds int) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, head, "`make bench`", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds)
	for _, r := range rows {
		b.WriteString(r.measure(rounds))
	}
	return b.String()
}

// measure measures r and returns its line of the table. The order of the sides alternates, so
// that a change in the machine's speed affects both.
func (r row) measure(rounds int) string {
	for _, work := range r.work {
		work() // opens connections and fills caches
	}
	var hand, sdk, ratios []float64
	for round := range rounds {
		var value [2]float64
		for turn := range 2 {
			side := (round + turn) % 2
			runtime.GC() // collects the other side's garbage
			value[side] = r.meter(r.work[side])
		}
		hand, sdk, ratios = append(hand, value[0]), append(sdk, value[1]), append(ratios, value[1]/value[0])
	}
	return fmt.Sprintf("| %s | "+r.format+" | "+r.format+" | %.2f | %.2f–%.2f | %s |\n", r.what,
		quantile(hand, 0.5), quantile(sdk, 0.5), quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75), r.goal)
}

// quantile sorts values and returns the one at q, from 0 to 1.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}
