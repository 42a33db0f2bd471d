package customizers_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// The README's Go code compiles in a module of somebody else's, and its program lists
// the customizers of a sandbox.
func TestREADME(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)

	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	run := func(env []string, name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = append(append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off"), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
		return string(out)
	}
	write("go.mod", "module example.com/outside\n\ngo 1.25.0\n\n"+
		"require github.com/connector-customizers/customizers v0.0.0\n\n"+
		"replace github.com/connector-customizers/customizers => "+root+"\n")
	write("go.sum", string(sums))

	programs, fragments := 0, 0
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[1], "package main") {
			programs++
			write("main.go", block[1])
			continue
		}
		fragments++
		write(filepath.Join("fragment", "f"+strings.Repeat("x", fragments)+".go"), fragment(block[1]))
	}
	require.Equal(t, 1, programs)
	require.Positive(t, fragments)
	program := filepath.Join(dir, "program")
	run(nil, "go", "build", "-o", program, ".")
	run(nil, "go", "build", "./fragment")

	srv := sandbox(t, customizerstest.WithSeed(300))
	out := run([]string{
		"SAIL_BASE_URL=" + srv.URL, "SAIL_CLIENT_ID=" + srv.ClientID, "SAIL_CLIENT_SECRET=" + srv.ClientSecret, "SAIL_ACCESS_TOKEN=",
	}, program)
	var want []string
	for _, c := range srv.Customizers() {
		want = append(want, c.ID+" "+c.Name+" 0")
	}
	assert.Equal(t, strings.Join(want, "\n")+"\n", out)
}

// fragment makes a file of a piece of code that uses what a reader would have.
func fragment(code string) string {
	return `package fragment

import (
	"context"
	"errors"
	"log"
	"os"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

var _, _, _, _ = errors.New, log.Fatal, os.Open, customizerstest.NewServer

func _(ctx context.Context, client *customizers.Client, source oauth2.TokenSource, id, secret string,
	page *customizers.Page, version *customizers.Version, err error) {
	{
` + code + `
		_, _, _, _ = client, page, version, err
	}
}
`
}
