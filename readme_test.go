package customizers_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"net/url"
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
	for _, block := range goBlocks(string(text)) {
		if strings.HasPrefix(block, "package main") {
			programs++
			outside.write("main.go", block)
			continue
		}
		fragments++
		outside.write(filepath.Join("fragment", "f"+strings.Repeat("x", fragments)+".go"), fragment(block))
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

// The Go code of the pages in docs compiles too, and its tests pass. That of others can be
// parsed.
func TestDocs(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	outside := newOutsider(t)
	n := 0
	var tests []string
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range goBlocks(string(text)) {
			n++
			code := fragment(block)
			if topLevel.MatchString(block) {
				code = fragmentHead + block
			}
			name := fmt.Sprintf("%s%02d", strings.TrimSuffix(filepath.Base(page), ".md"), n)
			outside.write(filepath.Join(name, "fragment_test.go"), code)
			if strings.Contains(block, "\nfunc Test") || strings.HasPrefix(block, "func Test") {
				tests = append(tests, "./"+name)
			}
		}
	}
	require.Greater(t, n, 10)
	outside.run(nil, "go", "vet", "-unusedresult=false", "./...")
	require.NotEmpty(t, tests)
	assert.Contains(t, outside.run(nil, "go", append([]string{"test", "-v"}, tests...)...), "--- PASS: Test")

	text, err := os.ReadFile("docs/migrating.md")
	require.NoError(t, err)
	theirs := blocksOf(string(text), "go sailpoint")
	require.NotEmpty(t, theirs)
	for _, block := range theirs {
		_, err := parser.ParseFile(token.NewFileSet(), "theirs.go", "package p\nfunc _() {\n"+block+"}\n", parser.AllErrors)
		assert.NoError(t, err, block)
	}
}

var topLevel = regexp.MustCompile(`(?m)^(func|type) `)

func goBlocks(text string) []string { return blocksOf(text, "go") }

// blocksOf returns the blocks of code in a language.
func blocksOf(text, language string) (out []string) {
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, block[1])
	}
	return out
}

// Links lead somewhere: those to files of the module are followed, to their headings too.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("*.md")
	require.NoError(t, err)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	n := 0
	for _, page := range append(pages, more...) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				_, err := url.Parse(m[1])
				assert.NoError(t, err, page)
				continue
			}
			n++
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), filepath.FromSlash(target))
			}
			info, err := os.Stat(file)
			if !assert.NoError(t, err, "%s links to %s", page, m[1]) || heading == "" || info.IsDir() {
				continue
			}
			linked, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Contains(t, headings(string(linked)), heading, "%s links to %s", page, m[1])
		}
	}
	assert.Greater(t, n, 10)
}

// headings are the anchors that a page has on GitHub.
func headings(text string) (out []string) {
	text = regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "") // where # begins a comment
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(m[1])), " ", "-")
		out = append(out, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(anchor, ""))
	}
	return out
}

const fragmentHead = `package fragment

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

var (
	_ context.Context
	_ = errors.New
	_ = fmt.Println
	_ = log.Fatal
	_ http.Header
	_ = os.Open
	_ = strings.Cut
	_ atomic.Int64
	_ testing.TB
	_ = synctest.Wait
	_ time.Time
	_ oauth2.TokenSource
	_ *customizers.Client
	_ *customizerstest.Server
	_ deploy.Options
)

`

// fragment makes a file of a piece of code that uses what a reader would have.
func fragment(code string) string {
	return fragmentHead + `func _(ctx context.Context, client *customizers.Client, source oauth2.TokenSource, id, secret string,
	page *customizers.Page, version *customizers.Version, err error) {
	{
` + code + `
		_, _, _, _ = client, page, version, err
	}
}
`
}
