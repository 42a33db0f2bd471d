package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers/customizerstest"
)

func (a *app) sandboxCommand() *cobra.Command {
	s := &sandbox{app: a}
	var port int
	var limit string
	var rules []string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a fake tenant on a loopback port until Ctrl-C",
		Long: "Serves a fake tenant on a loopback port until Ctrl-C. Paste the lines that it prints into\n" +
			"the shell of your program, which then reaches it through customizers.NewFromEnv, as\n" +
			"do the commands of this program. Its address, opened in a browser, shows customizers,\n" +
			"versions and requests live; requests are also logged, unless --quiet.\n\n" +
			"With --state everything is kept in a file, written before a change is answered, and\n" +
			"the credentials stay the same. One sandbox a file: two would overwrite each other.\n\n" +
			faultHelp,
		Example: "  customizers sandbox --state tenant.json\n" +
			"  customizers sandbox --rate-limit 10/1s --token-lifetime 30s\n" +
			"  customizers sandbox --fault 'list:status=503,times=2' --fault 'create:cut,acted'",
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 0 || port > 65535 {
				return usageErrorf("--port %d is not a port; use 1 to 65535, or 0 for any that is free", port)
			}
			if s.seed < 0 {
				return usageErrorf("--seed %d is negative", s.seed)
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
	cmd.Flags().IntVar(&port, "port", 8787, "loopback port to serve on; 0 for any that is free")
	cmd.Flags().IntVar(&s.seed, "seed", 3, "how many customizers to start with")
	cmd.Flags().StringVar(&limit, "rate-limit", fmt.Sprintf("%d/%v", rateLimit, ratePeriod), "requests allowed in a period; off for no limit")
	cmd.Flags().DurationVar(&s.lifetime, "token-lifetime", 749*time.Second, "how long a token is good")
	cmd.Flags().StringArrayVar(&rules, "fault", nil, "`rule` for what goes wrong; may be given again")
	cmd.Flags().StringVar(&s.path, "state", "", "`file` to keep the tenant in; when there is one, --seed is not used")
	return cmd
}

// A sandbox is a fake tenant that is served until its context ends.
type sandbox struct {
	app      *app
	seed     int
	limit    int
	per      time.Duration
	lifetime time.Duration
	faults   []customizerstest.Fault
	path     string // of the file that keeps the state, or empty

	tenant *customizerstest.Server
	file   stateFile
	recent recent
}

func (s *sandbox) run(ctx context.Context, port int) error {
	opts := []customizerstest.Option{
		customizerstest.WithoutSocket(),
		customizerstest.WithRateLimit(s.limit, s.per),
		customizerstest.WithTokenLifetime(s.lifetime),
		customizerstest.WithRequestHook(s.noted),
	}
	s.file.path = s.path
	st, there, err := s.file.read()
	switch {
	case err != nil:
		return err
	case there:
		opts = append(opts, customizerstest.WithState(st))
	default:
		opts = append(opts, customizerstest.WithSeed(s.seed))
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("the sandbox can't listen: %w (choose another --port?)", err)
	}
	s.tenant = customizerstest.NewServer(opts...)
	defer s.tenant.Close()
	s.tenant.URL = "http://" + l.Addr().String()
	s.tenant.Inject(s.faults...)
	if err := s.file.write(s.tenant.State); err != nil {
		return errors.Join(err, l.Close())
	}

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.app.console.note("The sandbox has %d customizers and allows %s. See it at %s, stop it with Ctrl-C.",
		len(s.tenant.Customizers()), s.rate(), s.tenant.URL)
	_, _ = fmt.Fprintf(s.app.out, "export SAIL_BASE_URL=%s\n", s.tenant.URL)
	_, _ = fmt.Fprintf(s.app.out, "export SAIL_CLIENT_ID=%s\n", s.tenant.ClientID)
	_, _ = fmt.Fprintf(s.app.out, "export SAIL_CLIENT_SECRET=%s\n", s.tenant.ClientSecret)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func (s *sandbox) rate() string {
	if s.limit == 0 {
		return "any number of requests"
	}
	return fmt.Sprintf("%d requests in %v", s.limit, s.per)
}

// noted logs a request, and keeps what it changed before its answer is sent.
func (s *sandbox) noted(r customizerstest.Request) {
	s.recent.add(r)
	switch r.Operation {
	case customizerstest.Create, customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion:
		if err := s.file.write(s.tenant.State); err != nil {
			s.app.console.print(fmt.Sprintf("The state could not be kept: %v", err))
		}
	}
	if s.app.console.quiet {
		return
	}
	path := r.Path
	if r.Query != "" {
		path += "?" + r.Query
	}
	status := strconv.Itoa(r.Status)
	if r.Status == 0 {
		status = "cut"
	}
	line := fmt.Sprintf("%s %-6s %s %s %v", r.Time.Format("15:04:05.000"), r.Method, path, status, rounded(r.Duration))
	if r.Injected {
		line += " (fault)"
	}
	s.app.console.print(printable(line))
}

// parseRate reads a rate such as 100/10s.
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
		return 0, 0, fmt.Errorf("%q is no rate: write requests/period, as 100/10s, or off", s)
	}
	return n, per, nil
}
