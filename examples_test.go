package customizers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// A program in the manner of Terraform: it makes the tenant what a list says, and does
// nothing when it is so already. It may be run again after any failure.
func Example_reconcile() {
	srv := customizerstest.NewServer()
	defer srv.Close()
	srv.Add("hr-feed", "left-over")

	reconcile := func(ctx context.Context, client *customizers.Client, wanted ...string) error {
		there := map[string]customizers.Customizer{}
		for c, err := range client.All(ctx, customizers.ListOptions{}) {
			if err != nil {
				return err
			}
			there[c.Name] = c
		}
		for _, name := range wanted {
			if _, ok := there[name]; ok {
				delete(there, name)
				continue
			}
			switch _, err := client.Create(ctx, customizers.CreateRequest{Name: name}); {
			case errors.Is(err, customizers.ErrOutcomeUnknown):
				return fmt.Errorf("%s may have been created; the next run will see: %w", name, err)
			case err != nil:
				return err
			}
			fmt.Println("created", name)
		}
		for _, name := range slices.Sorted(maps.Keys(there)) {
			err := client.Delete(ctx, there[name].ID)
			if err != nil && !errors.Is(err, customizers.ErrNotFound) { // another program may have been faster
				return err
			}
			fmt.Println("deleted", name)
		}
		return nil
	}

	ctx := context.Background()
	for range 2 {
		if err := reconcile(ctx, srv.Client(), "hr-feed", "badge-sync"); err != nil {
			log.Fatal(err)
		}
		fmt.Println("as wanted")
	}
	// Output:
	// created badge-sync
	// deleted left-over
	// as wanted
	// as wanted
}

// A nightly export to JSON lines, with the field names of the service, in constant
// memory. The file takes its name only when it is whole.
func Example_export() {
	srv := customizerstest.NewServer(customizerstest.WithSeed(600))
	defer srv.Close()

	export := func(ctx context.Context, client *customizers.Client, path string) (err error) {
		f, err := os.CreateTemp(filepath.Dir(path), ".export-*")
		if err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, f.Close())
			if err == nil {
				err = os.Rename(f.Name(), path)
			}
			if err != nil {
				_ = os.Remove(f.Name())
			}
		}()
		lines := json.NewEncoder(f)
		for c, err := range client.All(ctx, customizers.ListOptions{}) {
			if err != nil {
				return err
			}
			if err := lines.Encode(c); err != nil {
				return err
			}
		}
		return nil
	}

	dir, err := os.MkdirTemp("", "export")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "customizers.jsonl")
	if err := export(context.Background(), srv.Client(), path); err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Count(data, []byte("\n")), "lines")
	// Output: 600 lines
}

// Credentials that are rotated while the program runs: they are read anew for each token,
// so a secret that was replaced is used at the latest when the token expires, or when the
// service refuses it.
func Example_rotatingCredentials() {
	srv := customizerstest.NewServer(customizerstest.WithCredentials("id", "first"))
	defer srv.Close()
	secret := "first" // in a file that an agent of the secret store replaces, say

	source := tokenSource(func() (*oauth2.Token, error) {
		config := clientcredentials.Config{
			ClientID:     "id",
			ClientSecret: secret,
			TokenURL:     srv.URL + "/oauth/token",
			AuthStyle:    oauth2.AuthStyleInParams,
		}
		return config.Token(context.Background())
	})
	client, err := customizers.New(srv.URL, customizers.TokenSource(source))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		_, err := client.Create(context.Background(), customizers.CreateRequest{Name: "hr-feed"})
		fmt.Println(err)
		srv.ClientSecret, secret = "second", "second" // rotated
		srv.ExpireTokens()                            // the old secret's token is refused
	}
	// Output:
	// <nil>
	// <nil>
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }
