package customizers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
	outside := newOutsider(t)

	programs, fragments := 0, 0
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[1], "package main") {
			programs++
			outside.write("main.go", block[1])
			continue
		}
		fragments++
		outside.write(filepath.Join("fragment", "f"+strings.Repeat("x", fragments)+".go"), fragment(block[1]))
	}
	require.Equal(t, 1, programs)
	require.Positive(t, fragments)
	program := filepath.Join(outside.dir, "program")
	outside.run(nil, "go", "build", "-o", program, ".")
	outside.run(nil, "go", "build", "./fragment")

	srv := sandbox(t, customizerstest.WithSeed(300))
	out := outside.run([]string{
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
