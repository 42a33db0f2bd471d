// Bench measures the SDK beside the same work by hand, with net/http and encoding/json,
// and writes BENCHMARKS.md. Run it by make bench: it wants the module's root as the
// working directory.
package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

const (
	runs      = 10 // of each benchmark, in turn
	buildRuns = 2  // of the cold builds, which take long
	dir       = "internal/bench"
	out       = "BENCHMARKS.md"
)

func main() {
	log.SetFlags(0)
	if err := bench(); err != nil {
		log.Fatal(err)
	}
}

func bench() error {
	tmp, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	binary := filepath.Join(tmp, "bench.test")
	if _, err := command("", "go", "test", "-c", "-o", binary, "./"+dir); err != nil {
		return err
	}
	// A test that fails is a goal that is not met, and the table says so.
	tests, err := command(dir, binary, "-test.v", "-test.run", ".")
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return err
	}
	var results bytes.Buffer
	measure := func(args ...string) error {
		b, err := command(dir, binary, append([]string{"-test.run", "^$"}, args...)...)
		results.Write(b)
		return err
	}
	for i := range runs {
		log.Printf("run %d of %d", i+1, runs)
		if err := measure("-test.bench", ".", "-test.skip", "Build", "-test.benchtime", "0.5s"); err != nil {
			return err
		}
	}
	for i := range buildRuns {
		log.Printf("cold build %d of %d", i+1, buildRuns)
		if err := measure("-test.bench", "Build", "-test.benchtime", "1x"); err != nil {
			return err
		}
	}
	file := filepath.Join(tmp, "results")
	if err := os.WriteFile(file, results.Bytes(), 0o600); err != nil {
		return err
	}
	stat, err := command("", "go", "tool", "-modfile=internal/tools/benchstat/go.mod",
		"benchstat", "-format", "csv", "-row", ".name", "-col", "/by@(plain sdk)", file)
	if err != nil {
		return err
	}
	medians, err := parse(stat)
	if err != nil {
		return err
	}
	text := report(medians, facts(tests), cpu(results.Bytes()))
	log.Print(text)
	return os.WriteFile(out, []byte(text), 0o644) //nolint:gosec // a page for everyone
}

func command(dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", filepath.Base(name), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes(), err
}

// A median has what benchstat gives for one benchmark and unit.
type median struct {
	plain, sdk float64
	p          string // how likely a difference like this is by chance
}

type measure struct{ bench, unit string }

func parse(stat []byte) (map[measure]median, error) {
	r := csv.NewReader(bytes.NewReader(stat))
	r.FieldsPerRecord = -1
	medians := map[measure]median{}
	unit := ""
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return medians, nil
		}
		if err != nil {
			return nil, err
		}
		if len(line) > 6 && line[0] == "" && line[2] == "CI" {
			unit = line[1]
		}
		if len(line) < 7 || line[0] == "" || line[0] == "geomean" {
			continue
		}
		plain, err1 := strconv.ParseFloat(line[1], 64)
		sdk, err2 := strconv.ParseFloat(line[3], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		p, _, _ := strings.Cut(line[6], " ")
		medians[measure{line[0], unit}] = median{plain, sdk, strings.TrimPrefix(p, "p=")}
	}
}

// A fact is what a test found, and whether the test holds it to be good.
type fact struct {
	value string
	met   bool
}

var (
	attrLine = regexp.MustCompile(`(?m)^=== ATTR  (\S+) \S+ (.*)$`)
	failLine = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+) `)
	cpuLine  = regexp.MustCompile(`(?m)^cpu: (.*)$`)
)

func facts(tests []byte) map[string]fact {
	out := map[string]fact{}
	for _, m := range attrLine.FindAllSubmatch(tests, -1) {
		out[string(m[1])] = fact{string(m[2]), true}
	}
	for _, m := range failLine.FindAllSubmatch(tests, -1) {
		out[string(m[1])] = fact{out[string(m[1])].value, false}
	}
	return out
}

func cpu(results []byte) string {
	if m := cpuLine.FindSubmatch(results); m != nil {
		return string(bytes.TrimSpace(m[1]))
	}
	return "of unknown make"
}

// A goal is for a ratio of the SDK to the work by hand.
type goal struct {
	what string
	measure
	show            func(float64) string
	atMost, atLeast float64
}

var goals = []goal{
	{"`Get`, time", measure{"Get", "sec/op"}, duration, 1.05, 0},
	{"`Get`, allocations", measure{"Get", "allocs/op"}, number, 1.25, 0},
	{"`List` of 250, time", measure{"List", "sec/op"}, duration, 0.9, 0},
	{"`List` of 250, allocations", measure{"List", "allocs/op"}, number, 0.9, 0},
	{"`All` over 100,000, 250 a page, time", measure{"All", "sec/op"}, duration, 0.9, 0},
	{"upload of 256 MiB over TLS, uploads/s", measure{"Upload", "calls/s"}, number, 0, 0.97},
	{"32 goroutines, mixed calls, calls/s", measure{"Mixed", "calls/s"}, number, 0, 0.95},
	{"40 pages, 100 ms a request, `Prefetch: 8`, time", measure{"Prefetch", "sec/op"}, duration, 0.2, 0},
	{"cold `go build`, time", measure{"Build", "sec/op"}, duration, 0, 0},
	{"size of the binary, MB", measure{"Build", "binary-B"}, megabytes, 0, 0},
	{"modules in the binary", measure{"Build", "modules"}, number, 0, 0},
	{"packages outside the standard library", measure{"Build", "packages"}, number, 0, 0},
}

// A bound is on what a test found.
type bound struct{ what, test, unit, goal string }

var bounds = []bound{
	{"`All` over 100,000, peak heap above an idle client", "TestHeapOfAll", " MiB", "< 4 MiB"},
	{"upload of 256 MiB, the same", "TestHeapOfUpload/https", " MiB", "< 8 MiB"},
	{"upload of 256 MiB, its first try answered 429, the same", "TestHeapOfUpload/https-after-429", " MiB", "< 8 MiB"},
	{"350 calls against 100 in 10 s", "TestSchedule/alone", "", "≤ 1.02 times, no 429"},
	{"the same beside a second process that spends 30, `WithRateLimit(70, …)`", "TestSchedule/beside-another", "", "≤ 1.02 times, no 429"},
	{"the same, not told of the second process", "TestSchedule/beside-another-unknown", "", ""},
}

func report(medians map[measure]median, found map[string]fact, cpu string) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("# Benchmarks\n")
	line("Written by `make bench`, with %s on %s/%s, %d cores of %s.\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu)
	line("Each row is the SDK beside the same work by hand, with `net/http` and `encoding/json`,")
	line("on the same connections to one server on loopback, which is a process of its own and")
	line("hands out bytes made before. Medians of %d runs in turn, %d for the cold build, by benchstat;", runs, buildRuns)
	line("p is how likely such a difference is by chance.\n")
	line("| what | by hand | SDK | ratio | p | goal | met |")
	line("|---|---|---|---|---|---|---|")
	for _, g := range goals {
		m, ok := medians[g.measure]
		if !ok {
			line("| %s | | | not measured | | | **no** |", g.what)
			continue
		}
		ratio, text := m.sdk/m.plain, "–"
		if m.plain > 0 {
			text = fmt.Sprintf("%.2f", ratio)
		}
		goal, met := "", ""
		switch {
		case g.atMost > 0:
			goal, met = fmt.Sprintf("≤ %.2f", g.atMost), yes(ratio <= g.atMost)
		case g.atLeast > 0:
			goal, met = fmt.Sprintf("≥ %.2f", g.atLeast), yes(ratio >= g.atLeast)
		}
		line("| %s | %s | %s | %s | %s | %s | %s |", g.what, g.show(m.plain), g.show(m.sdk), text, m.p, goal, met)
	}
	const startGoal = 0.015
	start := medians[measure{"Start", "sec/op"}]
	line("| start of `customizers version` as released, beside a program that only links `net/http` | %s | %s | %.2f | %s | ≤ 15 ms | %s |",
		duration(start.plain), duration(start.sdk), start.sdk/start.plain, start.p, yes(start.sdk > 0 && start.sdk <= startGoal))
	line("\nWhat can be told exactly is tested, and the tests found:\n")
	line("| what | found | goal | met |")
	line("|---|---|---|---|")
	for _, w := range bounds {
		f, ok := found[w.test]
		met := yes(ok && f.met)
		if w.goal == "" {
			met = ""
		}
		line("| %s | %s%s | %s | %s |", w.what, f.value, w.unit, w.goal, met)
	}
	line("\nThe heap is at its peak with the garbage that was not yet collected. The schedule is that")
	line("of the rate gate, in fake time, with 100 ms a request; the ideal sends each share at the")
	line("start of its period.")
	return b.String()
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "**no**"
}

func duration(seconds float64) string {
	switch {
	case seconds < 1e-3:
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	case seconds < 1:
		return fmt.Sprintf("%.1f ms", seconds*1e3)
	}
	return fmt.Sprintf("%.2f s", seconds)
}

func number(v float64) string    { return strconv.FormatFloat(v, 'g', 4, 64) }
func megabytes(v float64) string { return fmt.Sprintf("%.1f", v/1e6) }
