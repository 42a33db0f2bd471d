package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// Deploys a folder twice, as a pipeline may. The second run uploads nothing, because the
// content has not changed.
func ExampleRun() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	dist := filepath.Join(dir, "dist")
	if err := errors.Join(os.Mkdir(dist, 0o700), os.WriteFile(filepath.Join(dist, "index.js"), []byte("// built"), 0o600)); err != nil {
		log.Fatal(err)
	}

	opts := deploy.Options{Record: filepath.Join(dir, "deployed.jsonl")} // kept between runs
	for range 2 {
		r, err := deploy.Run(context.Background(), srv.Client(), "hr-feed", dist, opts)
		switch {
		case errors.Is(err, customizers.ErrOutcomeUnknown):
			log.Fatal("deploy again: ", err)
		case err != nil:
			log.Fatal(err)
		}
		fmt.Println("created:", r.Created, "uploaded:", r.Uploaded, "version:", r.NewVersion)
	}
	// Output:
	// created: true uploaded: true version: 1
	// created: false uploaded: false version: 1
}
