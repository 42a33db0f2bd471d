// Package cli implements the customizers command.
package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Main runs the command and exits. The first signal cancels the context. Main then gives the
// command two seconds to return. The second signal ends the process at once.
func Main() {
	log.SetOutput(io.Discard)      // net/http logs about connections
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe is an error, which standard error ignores
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, func() {
		stop()
		time.AfterFunc(2*time.Second, func() { // the command is reading a terminal or a keyring
			_, _ = io.WriteString(os.Stderr, "customizers: interrupted\n")
			os.Exit(exitInterrupted)
		})
	})
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
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
	tenant  string // URL of the API
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{in: stdin, out: stdout, console: newConsole(stderr)}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetErr(a.console)
	parsed := false
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Lookup("output") != nil {
			if err := a.output.check(); err != nil {
				return err
			}
		}
		if err := a.connect.check(cmd); err != nil {
			return err
		}
		if a.output.json() && !a.console.terminal { // a program reads standard error
			a.console.quiet = true
		}
		parsed = true
		return nil
	}
	cmd, err := root.ExecuteContextC(ctx)
	a.console.clear()
	if err != nil && !parsed && !errors.As(err, new(*fs.PathError)) {
		own, ok := errors.AsType[*exitError](err)
		if !ok {
			own = &exitError{err: errors.New(explain(root, err)), code: exitUsage}
			err = own
		}
		own.advice = "run '" + cmd.CommandPath() + " --help' for usage"
		a.output.format = formatOf(args)
	}
	return a.report(cmd.Context(), err)
}

// formatOf returns the output format in args. The parser may have stopped at an error before
// it.
func formatOf(args []string) (format string) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true
	f.SetOutput(io.Discard)
	f.StringVarP(&format, "output", "o", "", "")
	_ = f.Parse(args)
	return format
}

func init() { cobra.EnableCommandSorting = false }

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "customizers",
		Short: "Manage SailPoint connector customizers",
		Long: "Manage connector customizers in SailPoint Human Fabric (formerly Identity Security Cloud).\n" +
			"A connector customizer is code that SailPoint runs before and after the operations of a\n" +
			"SaaS connector.\n\n" + configurationHelp + "\n\n" + outputHelp + "\n\n" +
			exitHelp() + "\n\n" + environmentHelp,
		Example: "  # Check the settings, the credentials and the connection\n  customizers doctor\n\n" +
			"  # Deploy the content of a folder\n  customizers deploy hr-feed dist/\n\n" +
			"  # List the names of all customizers\n  customizers list -o jsonl | jq -r .name",
		Version:       thisBuild().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(a.out)
	root.Flags().Bool("version", false, "show the version") // without the shorthand, which is --verbose elsewhere
	root.AddGroup(&cobra.Group{ID: groupTenant, Title: "Work with a tenant:"}, &cobra.Group{ID: groupLocal, Title: "Without an account:"})
	tenant := []*cobra.Command{
		a.listCommand(), a.getCommand(), a.createCommand(), a.updateCommand(), a.deleteCommand(),
		a.uploadCommand(), a.deployCommand(), a.doctorCommand(),
		a.instancesCommand(), a.linkCommand(), a.unlinkCommand(), a.logsCommand(),
	}
	local := []*cobra.Command{a.initCommand(), a.sandboxCommand(), demoCommand(), a.versionCommand()}
	for _, c := range tenant {
		c.GroupID = groupTenant
		a.addConnectionFlags(c)
	}
	for _, c := range local {
		c.GroupID = groupLocal
	}
	for _, c := range append(tenant, local...) {
		c.Flags().SortFlags = false
		c.InitDefaultHelpFlag()
		c.Flags().Lookup("help").Usage = "show help"
		if c.Args == nil {
			c.Args = arguments()
		}
		if c.ValidArgsFunction == nil {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
		root.AddCommand(c)
		c.Flags().VisitAll(func(f *pflag.Flag) { // so that it may stand before the command
			if f.NoOptDefVal != "" && root.Flags().Lookup(f.Name) == nil {
				hidden := *f
				hidden.Hidden = true
				root.Flags().AddFlag(&hidden)
			}
		})
	}
	root.SetHelpCommandGroupID(groupLocal)
	root.SetCompletionCommandGroupID(groupLocal)
	strict(root)
	return root
}

const (
	groupTenant = "tenant"
	groupLocal  = "local"
)
