// Command bench compares the SDK with hand-written code and writes BENCHMARKS.md. Run it with
// make bench in the root of the module.
package main

import (
	"context"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
)

var (
	ctx  = context.Background()
	full = scale{calls: 200, records: 100_000, mib: 256}
)

// main serves the tenant and runs itself as a second process to measure. The measurements then
// exclude the server's allocations.
func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 {
		bench(os.Args[1])
		return
	}
	run(must(os.Executable()), httptest.NewServer(newTenant(full.records)).URL)
}

// bench measures against the tenant at url and writes the page.
func bench(url string) {
	dir := must(os.MkdirTemp("", "bench"))
	defer func() { check(os.RemoveAll(dir)) }()
	check(os.Setenv("CGO_ENABLED", "0")) // like a release
	run("go", "build", "-o", dir, "./cmd/customizers", "./internal/bench/nethttp")
	archive := must(os.Create(dir + "/archive.zip"))
	defer func() { check(archive.Close()) }()
	check(archive.Truncate(int64(full.mib) << 20))
	page := report(append(rows(url, archive, full), startRow(dir)), 40)
	log.Print(page)
	check(os.WriteFile("BENCHMARKS.md", []byte(page), 0o644)) //nolint:gosec // a page for everyone
}

func run(name string, args ...string) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	check(cmd.Run())
}

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}
