package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers/customizerstest"
)

// Sandbox runs the sandbox command on a tenant that also has the given content, for tests of
// the other commands. It returns when ctx ends.
func Sandbox(ctx context.Context, args []string, stdout, stderr io.Writer, content ...customizerstest.Option) error {
	cmd := (&app{out: stdout, console: newConsole(stderr)}).sandboxCommand(content...)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func (a *app) sandboxCommand(content ...customizerstest.Option) *cobra.Command {
	s := &sandbox{app: a, content: content}
	var port int
	var limit, shell, format string
	var rules []string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a fake tenant on a loopback port until Ctrl-C",
		Long: "Serve a fake tenant on a loopback port until Ctrl-C. Paste the lines that it prints into a\n" +
			"shell, so that commands in that shell use the sandbox. Open its URL in a browser to see\n" +
			"customizers, instances and requests, and to add faults. The sandbox logs requests, unless\n" +
			"--quiet is given, and keeps nothing when it stops.\n\n" +
			faultHelp,
		Example: "  # Try the limits of the service\n  customizers sandbox --rate-limit 10/1s --token-lifetime 30s\n\n" +
			"  # Fail two lists, and lose the response to a create\n  customizers sandbox --fault 'list:status=503,times=2' --fault 'create:reset,apply'",
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
	f.IntVar(&port, "port", 8787, "loopback `port` to serve on; 0 for any free port")
	f.IntVar(&s.customizers, "customizers", 3, "`number` of customizers to start with")
	f.IntVar(&s.instances, "instances", 2, "`number` of connector instances to start with")
	f.StringVar(&limit, "rate-limit", "100/10s", "limit of `requests/period`, or off")
	f.DurationVar(&s.lifetime, "token-lifetime", 749*time.Second, "lifetime of a token")
	f.StringArrayVar(&rules, "fault", nil, "`rule` of a fault to inject; repeatable")
	f.StringVar(&shell, "shell", "sh", "`shell` to print the settings for: sh, fish, powershell or cmd")
	f.StringVarP(&format, "output", "o", "", "output `format` of the settings: json")
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
	shell       string // syntax of the settings, or json
	content     []customizerstest.Option

	tenant *customizerstest.Server
}

func (s *sandbox) run(ctx context.Context, port int) error {
	opts := []customizerstest.Option{
		customizerstest.WithoutSocket(),
		customizerstest.WithRateLimit(s.limit, s.per),
		customizerstest.WithTokenLifetime(s.lifetime),
		customizerstest.WithCustomizerCount(s.customizers),
		customizerstest.WithInstanceCount(s.instances),
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("port %d is in use (use another --port, or 0 for any)", port)
		}
		return fmt.Errorf("the sandbox can't listen: %w", err)
	}
	s.tenant = customizerstest.NewServer(append(opts, s.content...)...)
	defer s.tenant.Close()
	s.tenant.URL = "http://" + l.Addr().String()
	s.tenant.Inject(s.faults...)

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.app.console.note("The sandbox has %s and allows %s. Open %s to see it. Press Ctrl-C to stop.",
		countOf(len(s.tenant.Customizers()), "customizer"), s.rate(), s.tenant.URL)
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

// logged serves requests with h and logs each before its response.
func (s *sandbox) logged(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, path := time.Now(), r.URL.EscapedPath()
		if r.URL.RawQuery != "" && path != "/oauth/token" { // whose query may have a secret
			path += "?" + r.URL.RawQuery
		}
		log := func(status string, fault bool) {
			line := fmt.Sprintf("%s %-6s %s %s %v", start.Format("15:04:05.000"), r.Method, path, status, readable(time.Since(start)))
			if fault {
				line += " (fault)"
			}
			s.app.console.note("%s", line)
		}
		h.ServeHTTP(&loggedWriter{ResponseWriter: w, log: log}, r)
	})
}

// A loggedWriter calls log before it sends a response or resets the connection.
type loggedWriter struct {
	http.ResponseWriter

	log  func(status string, fault bool)
	sent bool
}

func (w *loggedWriter) WriteHeader(status int) {
	w.sent = true
	w.log(strconv.Itoa(status), w.Header().Get(customizerstest.InjectedHeader) != "")
	w.ResponseWriter.WriteHeader(status)
}

// Hijack is how the tenant resets a connection.
func (w *loggedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.sent {
		w.log("reset", true)
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for [http.ResponseController].
func (w *loggedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
