package instances_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

// Links a customizer to the instance with a given name, unless it is already linked.
func Example() {
	srv := customizerstest.NewServer(
		customizerstest.WithCustomizers(customizers.Customizer{Name: "hr-feed"}), customizerstest.WithInstanceCount(2))
	defer srv.Close()
	ctx, client := context.Background(), srv.Client()

	customizer, err := client.GetByName(ctx, "hr-feed")
	if err != nil {
		log.Fatal(err)
	}
	all, err := instances.List(ctx, client)
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range all {
		if i.Name != "instance-000001" || i.CustomizerID == customizer.ID {
			continue
		}
		linked, err := instances.Link(ctx, client, customizer.ID, i.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(linked.Name, "runs", customizer.Name)
	}
	// Output: instance-000001 runs hr-feed
}

// Prints what the customizer of an instance logged.
func ExampleLogs() {
	srv := customizerstest.NewServer(
		customizerstest.WithCustomizers(customizers.Customizer{Name: "hr-feed", ImageVersion: 3}),
		customizerstest.WithInstances(instances.Instance{Name: "HR production"}))
	defer srv.Close()
	ctx, client := context.Background(), srv.Client()
	if _, err := instances.Link(ctx, client, srv.Customizers()[0].ID, srv.Instances()[0].ID); err != nil {
		log.Fatal(err)
	}

	opts := instances.LogOptions{Since: time.Now().Add(-15 * time.Minute)}
	for entry, err := range instances.Logs(ctx, client, "HR production", opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Level, entry.Text())
	}
	// Output: INFO Runs version 3 of hr-feed.
}
