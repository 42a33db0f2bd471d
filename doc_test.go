package customizers_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// pages returns the Markdown pages by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/command/*.md"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			out[path] = string(text)
		}
	}
	require.Contains(t, out, "README.md")
	return out
}

// blocksOf returns the code blocks in a language.
func blocksOf(text, language string) (out []string) {
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, block[1])
	}
	return out
}

// The Go code of the pages compiles in a module that requires this one, the program in README
// lists a tenant, and the tests in the docs pass. All are built as one test binary.
func TestPagesCompile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	write("go.sum", string(sums))
	write("go.mod", "module example.com/outside\n\ngo 1.26\n\nrequire github.com/connector-customizers/customizers v0.0.0\n\n"+
		"replace github.com/connector-customizers/customizers => "+root+"\n")
	n, tests := 0, 0
	for path, text := range pages(t) {
		for _, block := range blocksOf(text, "go") {
			n++
			switch {
			case strings.HasPrefix(block, "package main"):
				write("main.go", block)
				continue
			case regexp.MustCompile(`(?m)^(func|type) `).MatchString(block):
				tests += strings.Count("\n"+block, "\nfunc Test")
			default:
				block = "func _(ctx context.Context, client *customizers.Client, source oauth2.TokenSource, id, secret string,\n" +
					"page *customizers.Page, version *customizers.Version, err error) {\n{\n" + block + "\n_, _, _, _ = client, page, version, err\n}\n}\n"
			}
			write(fmt.Sprintf("%s%02d_test.go", strings.TrimSuffix(filepath.Base(path), ".md"), n), snippetHead+block)
		}
	}
	require.Greater(t, n, 15)
	require.Positive(t, tests)
	require.FileExists(t, filepath.Join(dir, "main.go"))
	write("program_test.go", "package main\nimport \"testing\"\nfunc TestProgram(*testing.T) { main() }\n")

	srv := newServer(t, customizerstest.WithCustomizerCount(300))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-v", "-vet=off", "-ldflags=-w", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off",
		"SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret, "SAIL_ACCESS_TOKEN=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, tests+1, strings.Count(string(out), "--- PASS: Test"), "%s", out)
	for _, c := range srv.Customizers() {
		assert.Contains(t, string(out), c.ID+" "+c.Name+" 0\n")
	}
}

const snippetHead = `package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
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
	"github.com/connector-customizers/customizers/instances"
)

var (
	_ context.Context
	_ = errors.New
	_ = fmt.Println
	_ = log.Fatal
	_ net.Error
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
	_ instances.Instance
	_ x509.UnknownAuthorityError
	_ tls.Config
	_ url.URL
)

`

// Code that uses other SDKs can't be compiled here, but it can be parsed.
func TestPagesParseOtherSDKs(t *testing.T) {
	t.Parallel()
	for _, block := range blocksOf(pages(t)["docs/migrating.md"], "go sailpoint") {
		_, err := parser.ParseFile(token.NewFileSet(), "theirs.go", "package p\nfunc _() {\n"+block+"}\n", parser.AllErrors)
		assert.NoError(t, err, block)
	}
}

// The commands that the pages name exist. internal/acceptance runs their sessions.
func TestPagesCommands(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	sources, err := filepath.Glob("internal/cli/*.go")
	require.NoError(t, err)
	var command strings.Builder
	for _, path := range sources {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		command.Write(text)
	}
	n := 0
	each := func(text, pattern string, check func(name string)) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			n++
			check(m[1])
		}
	}
	for path, text := range pages(t) {
		if path == "CHANGELOG.md" || strings.HasPrefix(path, "docs/command/") {
			continue // the former names commands that no longer exist, the latter come from the command
		}
		each(text, "(?m)(?:^|`)make ([a-z0-9-]+)", func(name string) {
			assert.True(t, regexp.MustCompile(`(?m)^`+name+`:`).Match(makefile), "%s: make %s", path, name)
		})
		each(text, "(?m)(?:^|`|^\\$ )customizers ([a-z]+)", func(name string) {
			assert.True(t, regexp.MustCompile(`Use: *"`+name+`\b`).MatchString(command.String()), "%s: customizers %s", path, name)
		})
		each(text, `go (?:run|install) \./(\S+?)[\s`+"`]", func(name string) { assert.DirExists(t, name, path) })
	}
	assert.Greater(t, n, 20)
}

// docs/troubleshooting.md shows messages as the SDK writes them.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	srv := newServer(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "one"}))
	faulty := func(f fault) *customizers.Client {
		srv.Inject(f)
		return srv.Client()
	}
	over := func(rt http.RoundTripper) *customizers.Client { // the token request fails
		return newClient(t, "acme", customizers.ClientCredentials("id", "secret"), noRetry, customizers.WithHTTPClient(&http.Client{Transport: rt}))
	}
	through := func(change func(*http.Transport)) *customizers.Client {
		rt, ok := customizers.DefaultTransport().(*http.Transport)
		require.True(t, ok)
		rt = rt.Clone()
		change(rt)
		return over(rt)
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, secure.Listener.Addr().String())
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(proxy.Close)
	lookup := func(host string) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	fail := func(err error) roundTripper {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}

	var messages []string
	for _, err := range []error{
		list(t.Context(), newClient(t, srv.URL, customizers.ClientCredentials("id", "wrong"), noRetry)),
		list(t.Context(), faulty(fault{Operation: customizerstest.List, Status: 401, Times: 2})),
		operations[4].call(t.Context(), faulty(fault{Operation: customizerstest.Create, Status: 403})),
		func() error {
			_, err := srv.Client().Get(t.Context(), "ea09e09f-4147-46cf-9c2d-636101ab11ab")
			return err
		}(),
		list(t.Context(), clientOver(t, respond(404, "<html><title>Page not found</title></html>", "Content-Type", "text/html"))),
		list(t.Context(), faulty(fault{Operation: customizerstest.List, Status: 429, Header: header("Retry-After", "1200"), Body: `{"message":" Rate Limit Exceeded "}`})),
		list(t.Context(), through(func(rt *http.Transport) {
			rt.Proxy = http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("user", "password"), Host: proxy.Listener.Addr().String()})
		})),
		list(t.Context(), over(fail(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: lookup("proxy.acme.com")}))),
		list(t.Context(), through(func(rt *http.Transport) { rt.DialContext, rt.TLSClientConfig.ServerName = dial, "example.com" })),
		list(t.Context(), through(func(rt *http.Transport) { rt.DialContext, rt.TLSClientConfig.RootCAs = dial, trusted })),
		list(t.Context(), through(func(rt *http.Transport) {
			rt.DialContext, rt.TLSClientConfig.RootCAs = dial, trusted
			rt.TLSClientConfig.Time = func() time.Time { return secure.Certificate().NotAfter.Add(time.Hour) }
		})),
		list(t.Context(), over(fail(lookup("acme.api.identitynow.com")))),
		list(t.Context(), over(respond(404, "404 page not found\n", "Content-Type", "text/plain"))),
		list(t.Context(), over(respond(200, "<html><title>Sign in</title></html>", "Content-Type", "text/html"))),
		list(t.Context(), over(respond(302, "", "Location", "https://acme.identitynow.com/ui/login"))),
	} {
		require.Error(t, err)
		messages = append(messages, settled(err.Error()))
	}
	shown := strings.Join(blocksOf(pages(t)["docs/troubleshooting.md"], "text"), "")
	assert.Equal(t, messages, strings.Split(settled(strings.TrimSpace(shown)), "\n"))
}

// settled replaces the parts of a message that differ from run to run.
func settled(text string) string {
	for pattern, constant := range map[string]string{
		`\b[0-9a-f]{32}\b`:                "b27c5a4d",
		`http://127\.0\.0\.1:\d+`:         "http://proxy.acme.com:3128",
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`: "2126-11-25T07:45:37Z",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, constant)
	}
	return text
}

// The command's help has the variables that it reads.
func TestPagesVariables(t *testing.T) {
	t.Parallel()
	page := pages(t)["docs/command/customizers.md"]
	for _, pattern := range []string{"internal/config/*.go", "internal/cli/*.go"} {
		sources, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range sources {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, m := range regexp.MustCompile(`"(SAIL_\w+|NO_COLOR|TERM)"`).FindAllStringSubmatch(string(text), -1) {
				assert.Regexp(t, `\b`+m[1]+`\b`, page, path)
			}
		}
	}
}

// Links to files of the module, and to their headings, lead somewhere.
func TestPagesLinks(t *testing.T) {
	t.Parallel()
	all := pages(t)
	n := 0
	for path, text := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			n++
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), filepath.FromSlash(target))
			}
			_, err := os.Stat(file)
			if assert.NoError(t, err, "%s links to %s", path, m[1]) && heading != "" {
				assert.Contains(t, anchors(all[file]), heading, "%s links to %s", path, m[1])
			}
		}
	}
	assert.Greater(t, n, 10)
}

// anchors returns the anchors that GitHub gives the headings of a page.
func anchors(text string) (out []string) {
	text = regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "") // where # begins a comment
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(m[1])), " ", "-")
		out = append(out, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(anchor, ""))
	}
	return out
}

// The [links] in all comments resolve. The linter checks that exported identifiers have
// comments.
func TestDocLinks(t *testing.T) {
	t.Parallel()
	n := 0
	for _, dir := range []string{".", "deploy", "instances", "customizerstest"} {
		fset := token.NewFileSet()
		parsed, err := parser.ParseDir(fset, dir, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, parser.ParseComments) //nolint:staticcheck // no build tags here
		require.NoError(t, err)
		for name, pkg := range parsed {
			p := doc.New(pkg, "github.com/connector-customizers/customizers/"+dir, doc.PreserveAST)
			for _, f := range pkg.Files {
				for _, group := range f.Comments {
					n++
					text := string((&comment.Printer{}).Text(p.Parser().Parse(group.Text()))) // without the brackets of links
					assert.NotRegexp(t, `\[\*?[A-Z]\w*(\.\w+)*\]`, text, "a comment in package %s", name)
				}
			}
		}
	}
	assert.Greater(t, n, 100)
}
