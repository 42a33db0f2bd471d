package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

func (a *app) logsCommand() *cobra.Command {
	var since time.Duration
	var levels []string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs <instance>",
		Short: "Show the log of a connector instance",
		Long: "Show the log of a connector instance, given by its ID or name: what its connector and its\n" +
			"customizer logged, with the oldest entry first. SailPoint publishes no schema for this\n" +
			"endpoint, which its own CLI uses too, and may change it without notice.",
		Example: "  # Follow the log after a deployment\n  customizers logs 'HR production' --follow\n\n" +
			"  # Write the errors of the last day as JSON, one entry per line\n  customizers logs 'HR production' --since 24h --level ERROR -o jsonl",
		Args:              arguments("<instance>"),
		ValidArgsFunction: a.completeInstances(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.output.format != formatTable && a.output.format != formatJSONL {
				return usageErrorf("a log can't be written as %s (want table or jsonl)", a.output.format)
			}
			if since <= 0 {
				return usageErrorf("--since %v is not in the past (want a duration, for example 15m or 24h)", since)
			}
			opts := instances.LogOptions{Since: time.Now().Add(-since)}
			for _, level := range levels {
				opts.Levels = append(opts.Levels, strings.ToUpper(level))
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			all, err := instances.List(cmd.Context(), client)
			if err != nil {
				return err
			}
			picked, err := pick(all, args, instanceKind)
			if err != nil {
				return err
			}
			return a.showLogs(cmd.Context(), client, picked[0].Name, opts, follow)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&since, "since", 15*time.Minute, "how far to look back")
	f.BoolVarP(&follow, "follow", "f", false, "wait for new entries until Ctrl-C")
	f.StringSliceVar(&levels, "level", nil, "`level` of the entries to show, for example ERROR; repeatable")
	f.StringVarP(&a.output.format, "output", "o", formatTable, "output `format`: table (lines of text) or jsonl")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions([]cobra.Completion{"DEBUG", "INFO", "WARN", "ERROR"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]cobra.Completion{formatTable, formatJSONL}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

const (
	followEvery = 2 * time.Second  // as SailPoint's CLI does
	lateBy      = 30 * time.Second // how long an entry may take to show up
)

// showLogs writes log entries. If it follows the log, it returns when ctx ends.
func (a *app) showLogs(ctx context.Context, client *customizers.Client, name string, opts instances.LogOptions, follow bool) error {
	p := newPrinter(a, view[instances.Log]{}, true)
	var shown map[[sha256.Size]byte]bool // entries of the last query
	for {
		n, found, newest := 0, map[[sha256.Size]byte]bool{}, opts.Since.Add(lateBy)
		for l, err := range instances.Logs(ctx, client, name, opts) {
			if n++; err == nil {
				if follow { // a log that is only read takes no memory
					key := sha256.Sum256(fmt.Append(nil, l))
					if found[key] = true; shown[key] {
						continue
					}
				}
				if a.output.format == formatJSONL {
					p.print(l)
				} else {
					_, _ = fmt.Fprintln(p.w, logText(l))
				}
				err = p.flush()
			}
			switch {
			case follow && ctx.Err() != nil:
				return nil
			case err != nil:
				return err
			case l.Time.After(newest) && !l.Time.After(time.Now()): // a clock may be ahead
				newest = l.Time.Time
			}
		}
		if !follow {
			if n == 0 && a.output.format == formatTable {
				a.console.note("No entries.")
			}
			return nil
		}
		shown, opts.Since = found, newest.Add(-lateBy)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// logText returns a log entry as text. Lines after the first are indented, so that none looks
// like another entry.
func logText(l instances.Log) string {
	text := strings.NewReplacer("\r\n", "\n", "\t", "    ").Replace(strings.TrimSpace(l.Text()))
	if l.Event != "" {
		text = l.Event + ": " + text
	}
	lines := strings.Split(fmt.Sprintf("%s %-5s %s", l.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"), l.Level, text), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n    ")
}
