// Package cli is the customizers command.
package cli

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Main runs the command and ends the process. The first signal cancels the context, and ends
// a command that does not heed it after a grace period; the second ends it at once.
func Main() {
	log.SetOutput(io.Discard) // of net/http, about connections: only our own lines are for users
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup makes it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	code := make(chan int, 1)
	go func() { code <- run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr) }()
	var late <-chan time.Time
	ended := ctx.Done()
	for {
		select {
		case c := <-code:
			os.Exit(c)
		case <-ended:
			stop()
			ended, late = nil, time.After(2*time.Second)
		case <-late: // it reads a terminal, or waits for a keyring
			_, _ = io.WriteString(os.Stderr, "customizers: interrupted\n")
			os.Exit(exitFailure)
		}
	}
}

// Command returns the command tree, for its documentation.
func Command() *cobra.Command {
	return (&app{console: newConsole(io.Discard)}).rootCommand()
}

// An app is one run of the command.
type app struct {
	in      io.Reader
	out     io.Writer
	console *console
	output  output
	connect connection
}

// run executes the command line and returns the exit code: see exitCode.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{in: stdin, out: stdout, console: newConsole(stderr)}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(a.console)
	started := false // what fails before is a command line that can't be understood
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(a.output.check(), a.connect.check(cmd)); err != nil {
			return err
		}
		started = true
		return nil
	}
	cmd, err := root.ExecuteContextC(ctx)
	a.console.done()
	if err != nil && !started {
		err = &adviceError{
			err:    &usageError{explain(root, err)},
			code:   exitUsage,
			advice: "run '" + cmd.CommandPath() + " --help' for usage",
		}
	}
	return a.report(cmd.Context(), err)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "customizers",
		Short: "Connector customizers of SailPoint Identity Security Cloud",
		Long: "Lists, creates, changes and deploys the connector customizers of SailPoint Identity\n" +
			"Security Cloud.\n\n" + configurationHelp + "\n\n" + exitHelp,
		Example: "  customizers list -o jsonl | jq -r .name\n" +
			"  customizers deploy hr-feed dist/\n" +
			"  customizers doctor",
		Version:       thisBuild().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddGroup(&cobra.Group{ID: groupTenant, Title: "Work with a tenant:"}, &cobra.Group{ID: groupLocal, Title: "Without an account:"})
	root.PersistentFlags().StringVarP(&a.output.format, "output", "o", formatTable, "write table, json, jsonl, yaml or id (one ID a line)")
	root.PersistentFlags().BoolVar(&a.output.noHeaders, "no-headers", false, "write tables without their first line")
	root.PersistentFlags().BoolVarP(&a.console.quiet, "quiet", "q", false, "write only data and errors")
	root.PersistentFlags().BoolVarP(&a.console.verbose, "verbose", "v", false, "log each request: method, path, status, try and time")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	for _, c := range []*cobra.Command{
		a.listCommand(), a.getCommand(), a.createCommand(), a.updateCommand(), a.deleteCommand(),
		a.uploadCommand(), a.deployCommand(), a.doctorCommand(),
		a.instancesCommand(), a.linkCommand(), a.unlinkCommand(),
	} {
		c.GroupID = groupTenant
		a.connect.addFlags(c)
		root.AddCommand(c)
	}
	for _, c := range []*cobra.Command{a.initCommand(), a.sandboxCommand(), demoCommand(), a.completionCommand(), a.versionCommand()} {
		c.GroupID = groupLocal
		root.AddCommand(c)
	}
	root.SetHelpCommandGroupID(groupLocal)
	strict(root)
	return root
}

const (
	groupTenant = "tenant"
	groupLocal  = "local"
)
