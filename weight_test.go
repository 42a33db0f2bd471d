package customizers_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A weight is what a program takes on by importing the root package.
type weight struct {
	Modules  int      `json:"modules"`  // of its graph, besides its own
	Packages []string `json:"packages"` // that it links and that are neither Go's nor of this module
	Binary   int64    `json:"binary"`   // bytes more than the same program has by hand
}

const (
	weightFile = "testdata/weight.json"
	// What a binary may differ by between two versions of Go.
	binarySlack = 0.1
)

// The SDK weighs no more than testdata/weight.json says. When it is to weigh more, or
// weighs less, UPDATE_WEIGHT=1 go test -run TestWeight . writes what it weighs.
func TestWeight(t *testing.T) {
	t.Parallel()
	got := weigh(t)
	if os.Getenv("UPDATE_WEIGHT") != "" {
		data, err := json.MarshalIndent(got, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(weightFile, append(data, '\n'), 0o600))
	}
	data, err := os.ReadFile(weightFile)
	require.NoError(t, err)
	var most weight
	require.NoError(t, json.Unmarshal(data, &most))
	t.Logf("%+v, at most %+v", got, most)

	assert.LessOrEqual(t, got.Modules, most.Modules, "modules")
	assert.Subset(t, most.Packages, got.Packages, "packages")
	assert.LessOrEqual(t, float64(got.Binary), float64(most.Binary)*(1+binarySlack), "bytes of the binary")
}

func weigh(t *testing.T) weight {
	t.Helper()
	outside := newOutsider(t)
	outside.write("main.go", `package main

import (
	"context"
	"log"
	"os"

	"github.com/connector-customizers/customizers"
)

func main() {
	ctx := context.Background()
	client, err := customizers.NewFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	for c, err := range client.All(ctx, customizers.ListOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		log.Print(c.Name)
	}
	c, err := client.Create(ctx, customizers.CreateRequest{Name: "a"})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(client.Get(ctx, c.ID))
	log.Print(client.Update(ctx, c.ID, customizers.UpdateRequest{Name: "b"}))
	log.Print(client.CreateVersion(ctx, c.ID, os.Stdin))
	log.Print(client.Delete(ctx, c.ID))
}
`)
	outside.write("byhand/main.go", `package main

import (
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"os"
)

func main() {
	resp, err := http.Get(os.Getenv("SAIL_BASE_URL") + "/v2024/connector-customizers")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var list []struct{ Name string }
	err = json.NewDecoder(resp.Body).Decode(&list)
	slog.Info("listed", "names", list, "error", err)
}
`)
	outside.run(nil, "go", "mod", "tidy")
	size := func(pkg string) int64 {
		program := filepath.Join(outside.dir, "program")
		outside.run([]string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"},
			"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, pkg)
		info, err := os.Stat(program)
		require.NoError(t, err)
		return info.Size()
	}
	packages := strings.Fields(outside.run(nil, "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "."))
	ours := func(path string) bool {
		return path == "example.com/outside" || strings.HasPrefix(path, "github.com/connector-customizers/customizers")
	}
	packages = slices.DeleteFunc(packages, ours)
	slices.Sort(packages)
	return weight{
		Modules:  len(strings.Fields(outside.run(nil, "go", "list", "-m", "-f", "{{if not .Main}}{{.Path}}{{end}}", "all"))),
		Packages: packages,
		Binary:   size(".") - size("./byhand"),
	}
}
