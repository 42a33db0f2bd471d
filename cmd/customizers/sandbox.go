package main

import (
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers/customizerstest"
)

func sandboxCommand() *cobra.Command {
	var port, seed int
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a fake tenant on a loopback port until Ctrl-C",
		Long: "Serve a fake tenant on a loopback port until Ctrl-C. It keeps nothing when it\n" +
			"stops. Paste the lines that it prints into the shell of your program, which\n" +
			"then reaches it through customizers.NewFromEnv.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 0 || port > 65535 {
				return usageErrorf("--port %d is not a port; use 1 to 65535, or 0 for any that is free", port)
			}
			if seed < 0 {
				return usageErrorf("--seed %d is negative", seed)
			}
			l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				return fmt.Errorf("the sandbox can't listen: %w (choose another --port?)", err)
			}
			srv := customizerstest.NewServer(
				customizerstest.WithListener(l),
				customizerstest.WithSeed(seed),
				customizerstest.WithRateLimit(rateLimit, ratePeriod),
			)
			defer srv.Close()
			cmd.Printf("export SAIL_BASE_URL=%s\n", srv.URL)
			cmd.Printf("export SAIL_CLIENT_ID=%s\n", srv.ClientID)
			cmd.Printf("export SAIL_CLIENT_SECRET=%s\n", srv.ClientSecret)
			cmd.PrintErrf("The sandbox has %d customizers and allows %d requests in %v. Stop it with Ctrl-C.\n", seed, rateLimit, ratePeriod)
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().IntVar(&port, "port", 8787, "loopback port to serve on; 0 for any that is free")
	cmd.Flags().IntVar(&seed, "seed", 3, "how many customizers to start with")
	return cmd
}
