package main

import (
	"net/http/httptest"
	"os"
	"testing"
)

// TestReport checks that the benchmarks run, not their results.
func TestReport(*testing.T) {
	tiny := scale{calls: 4, records: 600, mib: 1}
	tenant := httptest.NewServer(newTenant(tiny.records))
	defer tenant.Close()
	archive := must(os.Open("bench_test.go"))
	defer func() { check(archive.Close()) }()
	report(rows(tenant.URL, archive, tiny), 1)
}
