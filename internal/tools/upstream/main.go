// Upstream tells how SailPoint's published specification has moved since the project
// last looked at it.
//
//	upstream [-root DIR] [-accept] SPEC
//
// SPEC is a file, relative to the root of the repository, or an http(s) URL: the whole
// specification of a year or the one of the service, YAML or JSON. The operations on
// connector customizers are cut out of it and compared, by oasdiff, with the cut of the
// last look in testdata. What moved goes to standard output, where nothing means that
// nothing moved. With -accept the cut becomes the last look.
//
// It exits 0 when a client of the last look works on, 1 when something breaks it, and 2
// when there is nothing to compare.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

const (
	published = "testdata/published.v2024.json"
	contract  = "openapi.yaml"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("upstream", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", "../../..", "`directory` of the repository")
	accept := flags.Bool("accept", false, "make the cut of SPEC the last look")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	breaking, err := upstream(ctx, *root, flags.Arg(0), *accept, stdout, stderr)
	switch {
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "upstream:", err)
		return 2
	case breaking:
		return 1
	}
	return 0
}

// upstream reports whether what moved breaks clients. Accepted, nothing does.
func upstream(ctx context.Context, root, spec string, accept bool, stdout, stderr io.Writer) (bool, error) {
	if spec == "" {
		return false, errors.New("no specification is given: SPEC=<file or URL>")
	}
	if !isURL(spec) && !filepath.IsAbs(spec) {
		spec = filepath.Join(root, spec)
	}
	now, err := cutOf(ctx, spec)
	if err != nil {
		return false, err
	}
	if accept {
		err := os.WriteFile(filepath.Join(root, published), now, 0o600)
		if err == nil {
			_, _ = fmt.Fprintf(stderr, "wrote %s: see what git diff tells, then make contract\n", published)
		}
		return false, err
	}
	before, err := cutOf(ctx, filepath.Join(root, published))
	if err != nil {
		return false, err
	}
	ours, err := cutOf(ctx, filepath.Join(root, contract))
	if err != nil {
		return false, err
	}
	moved, err := compare(before, now)
	if err != nil {
		return false, err
	}
	lags, err := compare(now, ours)
	if err != nil {
		return false, err
	}
	report(stdout, moved, lags.of(breaking))
	if len(moved) == 0 {
		_, _ = fmt.Fprintf(stderr, "nothing moved since %s\n", published)
	}
	return len(moved.of(breaking)) > 0, nil
}
