// Command release tells whether the commit that is checked out can be released.
//
//	release check          does what `make release-check` promises
//	release notes v1.2.3   writes what CHANGELOG.md says of its newest version, which must be this
//
// With VERSION in the environment check takes that for the next version. Without, the next
// version is the newest of CHANGELOG.md that has no tag, or else what Unreleased asks for.
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
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// A usageError is a command line that can't be used.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// run returns 0, 1 for what can't be released, or 2 for a command line that can't be used.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", "../../..", "the repository")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	err := dispatch(ctx, *root, flags.Args(), stdout, stderr)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "release: %v: use check, or notes vX.Y.Z\n", err)
		return 2
	}
	_, _ = fmt.Fprintf(stderr, "release: %v\n", err)
	return 1
}

func dispatch(ctx context.Context, root string, args []string, stdout, stderr io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "check":
		return check(ctx, root, os.Getenv("VERSION"), buildRelease, stdout, stderr)
	case len(args) == 2 && args[0] == "notes":
		text, err := os.ReadFile(filepath.Join(root, changelogFile))
		if err != nil {
			return err
		}
		log, err := parseChangelog(string(text))
		if err != nil {
			return err
		}
		newest := "" // of a changelog without versions
		if len(log.versions) > 0 {
			newest = log.versions[0].version
		}
		if args[1] != newest {
			return fmt.Errorf("%s: the newest version is %q, and not %q", changelogFile, newest, args[1])
		}
		_, err = fmt.Fprintln(stdout, log.notes(newest))
		return err
	}
	return usageError{fmt.Sprintf("can't understand %q", strings.Join(args, " "))}
}
