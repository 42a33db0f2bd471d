package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers/customizerstest"
)

func (a *app) sandboxCommand() *cobra.Command {
	s := &sandbox{app: a}
	var port int
	var limit, shell, format string
	var rules []string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a fake tenant on a loopback port until Ctrl-C",
		Long: "Serves a fake tenant on a loopback port until Ctrl-C. Paste the lines that it prints into\n" +
			"a shell; commands in that shell then use the sandbox. Open its address in a browser to see\n" +
			"customizers, instances and requests, and to add faults. Logs requests, unless --quiet.\n\n" +
			"With --state, stores the tenant and its credentials in a file. Writes the file before it\n" +
			"responds to a change. Use a file for one sandbox at a time.\n\n" +
			faultHelp,
		Example: "  customizers sandbox --state tenant.json\n" +
			"  customizers sandbox --rate-limit 10/1s --token-lifetime 30s\n" +
			"  customizers sandbox --fault 'list:status=503,times=2' --fault 'create:reset,apply'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 0 || port > 65535 {
				return usageErrorf("--port %d is not a port (want 1 to 65535, or 0 for any free port)", port)
			}
			if exportFormats[shell] == "" {
				return usageErrorf("unknown shell %q (want sh, fish, powershell or cmd)", shell)
			}
			if s.shell = shell; format != "" {
				if format != formatJSON {
					return usageErrorf("unknown output format %q (want json)", format)
				}
				s.shell, s.app.output.format = formatJSON, formatJSON
			}
			if cmd.Flags().Changed("state") && s.path == "" {
				return usageErrorf("--state is empty")
			}
			if s.customizers < 0 {
				return usageErrorf("--customizers %d is negative", s.customizers)
			}
			if s.instances < 0 {
				return usageErrorf("--instances %d is negative", s.instances)
			}
			if s.lifetime < time.Second {
				return usageErrorf("--token-lifetime %v is under a second", s.lifetime)
			}
			var err error
			if s.limit, s.per, err = parseRate(limit); err != nil {
				return usageErrorf("--rate-limit: %v", err)
			}
			for _, rule := range rules {
				f, err := parseFault(rule)
				if err != nil {
					return usageErrorf("--fault %s: %v", rule, err)
				}
				s.faults = append(s.faults, f)
			}
			return s.run(cmd.Context(), port)
		},
	}
	f := cmd.Flags()
	f.IntVar(&port, "port", 8787, "loopback port to serve on; 0 for any free port")
	f.IntVar(&s.customizers, "customizers", 3, "number of customizers to start with")
	f.IntVar(&s.instances, "instances", 2, "number of connector instances to start with")
	f.StringVar(&limit, "rate-limit", "100/10s", "requests allowed in a period, or off")
	f.DurationVar(&s.lifetime, "token-lifetime", 749*time.Second, "lifetime of a token")
	f.StringArrayVar(&rules, "fault", nil, "`rule` of a fault; repeatable")
	f.StringVar(&s.path, "state", "", "`file` to store the tenant in; if it exists, --customizers and --instances are ignored")
	f.StringVar(&shell, "shell", "sh", "`shell` that reads the printed settings: sh, fish, powershell or cmd")
	f.StringVarP(&format, "output", "o", "", "print the settings as json instead")
	s.app.addQuietFlag(cmd)
	_ = cmd.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions([]cobra.Completion{"sh", "fish", "powershell", "cmd"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]cobra.Completion{formatJSON}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// A sandbox serves a fake tenant until its context ends.
type sandbox struct {
	app         *app
	customizers int
	instances   int
	limit       int
	per         time.Duration
	lifetime    time.Duration
	faults      []customizerstest.Fault
	path        string // of the file for the state; may be empty
	shell       string // syntax of the settings, or json

	tenant *customizerstest.Server
	file   stateFile
}

func (s *sandbox) run(ctx context.Context, port int) error {
	opts := []customizerstest.Option{
		customizerstest.WithoutSocket(),
		customizerstest.WithRateLimit(s.limit, s.per),
		customizerstest.WithTokenLifetime(s.lifetime),
		customizerstest.WithRequestHook(s.log),
	}
	s.file.path = s.path
	st, err := s.file.read()
	if err != nil {
		return err
	}
	if st != nil {
		opts = append(opts, customizerstest.WithState(*st))
	} else {
		opts = append(opts, customizerstest.WithCustomizerCount(s.customizers), customizerstest.WithInstanceCount(s.instances))
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("port %d is in use (use another --port, or 0 for any)", port)
		}
		return fmt.Errorf("the sandbox can't listen: %w", err)
	}
	s.tenant = customizerstest.NewServer(opts...)
	defer s.tenant.Close()
	s.tenant.URL = "http://" + l.Addr().String()
	s.tenant.Inject(s.faults...)
	if err := s.file.write(s.tenant.State); err != nil {
		return errors.Join(fmt.Errorf("--state: %w", err), l.Close())
	}

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.app.console.note("The sandbox has %d customizers and allows %s. Open %s to see it. Press Ctrl-C to stop.",
		len(s.tenant.Customizers()), s.rate(), s.tenant.URL)
	if err := s.printSettings(); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

var exportFormats = map[string]string{
	"sh":         "export %s=%s\n",
	"fish":       "set -gx %s %s\n",
	"powershell": "$env:%s = '%s'\n",
	"cmd":        "set \"%s=%s\"\n",
}

// printSettings prints the settings of the sandbox. Their values need no quotes.
func (s *sandbox) printSettings() error {
	settings := [][2]string{
		{"SAIL_BASE_URL", s.tenant.URL},
		{"SAIL_CLIENT_ID", s.tenant.ClientID},
		{"SAIL_CLIENT_SECRET", s.tenant.ClientSecret},
	}
	var text []byte
	var err error
	if s.shell == formatJSON {
		values := map[string]string{}
		for _, v := range settings {
			values[v[0]] = v[1]
		}
		text, err = marshal(values, "", "  ")
	} else {
		for _, v := range settings {
			text = fmt.Appendf(text, exportFormats[s.shell], v[0], v[1])
		}
	}
	if err == nil {
		_, err = s.app.out.Write(text)
	}
	return err
}

func (s *sandbox) rate() string {
	if s.limit == 0 {
		return "any number of requests"
	}
	return fmt.Sprintf("%d requests in %v", s.limit, s.per)
}

// log logs a request. If it changed the tenant, log first stores the state.
func (s *sandbox) log(r customizerstest.Request) {
	switch r.Operation {
	case customizerstest.Create, customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion, customizerstest.UpdateInstance:
		if err := s.file.write(s.tenant.State); err != nil {
			s.app.console.print(fmt.Sprintf("The state was not stored: %v", err))
		}
	}
	if s.app.console.quiet {
		return
	}
	path := r.Path
	if r.Query != "" {
		path += "?" + withoutSecrets(r.Query)
	}
	status := strconv.Itoa(r.Status)
	if r.Status == 0 {
		status = "reset"
	}
	line := fmt.Sprintf("%s %-6s %s %s %v", r.Time.Format("15:04:05.000"), r.Method, path, status, readable(r.Duration))
	if r.Injected {
		line += " (fault)"
	}
	s.app.console.print(printable(line))
}

// parseRate parses a rate such as 100/10s.
func parseRate(s string) (n int, per time.Duration, err error) {
	if s == "off" || s == "0" {
		return 0, 0, nil
	}
	count, period, ok := strings.Cut(s, "/")
	n, err = strconv.Atoi(count)
	if err == nil {
		per, err = time.ParseDuration(period)
	}
	if !ok || err != nil || n < 1 || per <= 0 {
		return 0, 0, fmt.Errorf("%q is not a rate (want requests/period, for example 100/10s, or off)", s)
	}
	return n, per, nil
}
