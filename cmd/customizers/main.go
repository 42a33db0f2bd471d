// Command customizers runs a sandbox tenant for connector customizers and a
// demonstration of the SDK against one. See customizers --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes the command line and returns the exit code: 0, 1 for a failure, 2 for a
// command line that can't be understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	started := false
	var usage *usageError
	root := &cobra.Command{
		Use:           "customizers",
		Short:         "Connector customizers of SailPoint Identity Security Cloud",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			started = true
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(demoCommand(), sandboxCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "customizers:", err)
		if !started || errors.As(err, &usage) {
			_, _ = fmt.Fprintln(stderr, "Run 'customizers --help' for usage.")
			return 2
		}
		return 1
	}
	return 0
}

// A usageError is a command line whose flags can't be used.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usageErrorf(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}
