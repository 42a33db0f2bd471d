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

// A dry run reports what a run would create, upload and link, and changes nothing.
func ExampleRun_dryRun() {
	srv := customizerstest.NewServer(customizerstest.WithInstances(customizerstest.Instance{Name: "HR production"}))
	defer srv.Close()
	dist, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dist) }()
	if err := os.WriteFile(filepath.Join(dist, "index.js"), []byte("// built"), 0o600); err != nil {
		log.Fatal(err)
	}

	opts := deploy.Options{Link: []string{"HR production"}, DryRun: true} // for a merge request
	for range 2 {
		r, err := deploy.Run(context.Background(), srv.Client(), "hr-feed", dist, opts)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("create:", r.WouldCreate || r.Created, "upload:", r.WouldUpload || r.Uploaded)
		for _, i := range r.Linked {
			fmt.Println("link:", i.Name)
		}
		fmt.Println("customizers in the tenant:", len(srv.Customizers()))
		opts.DryRun = false // after the merge
	}
	// Output:
	// create: true upload: true
	// link: HR production
	// customizers in the tenant: 0
	// create: true upload: true
	// link: HR production
	// customizers in the tenant: 1
}
