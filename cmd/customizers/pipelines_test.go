package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// The pipelines of docs/pipelines.md do what the page says. Their shell is run as a runner
// runs it, with the program as built from this tree, against a sandbox and a server of
// releases on loopback. What is not shell, such as caches and conditions, is carried out
// by runners_test.go, which fails on what it does not know.
func TestPipelines(t *testing.T) {
	t.Parallel()
	page := readPipelines(t)
	for name, start := range map[string]func(*project) pipeline{
		"GitLab, bash": func(p *project) pipeline { return newGitlab(p, page.gitlab, "bash", "-euo", "pipefail") },
		"GitLab, sh":   func(p *project) pipeline { return newGitlab(p, page.gitlab, "sh", "-eu") },
		"GitHub":       func(p *project) pipeline { return newGithub(p, page.github) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testPipeline(t, func(t *testing.T) (*project, pipeline) {
				t.Helper()
				p := newProject(t)
				return p, start(p)
			})
		})
	}
}

func testPipeline(t *testing.T, begin func(*testing.T) (*project, pipeline)) {
	// deployed runs what a merge gives and returns the exit code of the deployment.
	deployed := func(p *project, line pipeline) int {
		codes := line.run(merge)
		require.Contains(p.t, codes, "deploy", "%s", &p.output)
		return codes["deploy"]
	}

	t.Run("from a merge request to the next deployments", func(t *testing.T) {
		p, line := begin(t)
		assert.Equal(t, map[string]int{"dry-run": 0}, line.run(mergeRequest), &p.output)
		assert.Empty(t, p.writes(), "a merge request changes nothing")
		r := p.result()
		assert.Equal(t, []bool{true, true, true}, []bool{r.DryRun, r.Created, r.Uploaded})
		assert.Empty(t, line.run(branchPush))
		assert.Empty(t, p.writes(), "nor does another branch")

		assert.Zero(t, deployed(p, line), &p.output)
		r = p.result()
		assert.Equal(t, []bool{false, true, true}, []bool{r.DryRun, r.Created, r.Uploaded})
		require.Len(t, p.tenant.Customizers(), 1)
		assert.Equal(t, "hr-feed", p.tenant.Customizers()[0].Name)
		versions := func() []customizerstest.Version { return p.tenant.Versions(p.tenant.Customizers()[0].ID) }
		require.Len(t, versions(), 1)
		assert.Equal(t, sumOf(customizerZip(t, p.content)), versions()[0].ArchiveSHA256)

		assert.Zero(t, deployed(p, line), &p.output)
		assert.False(t, p.result().Uploaded, "the cache has the record")
		assert.Len(t, versions(), 1)

		p.content = "another"
		assert.Equal(t, map[string]int{"dry-run": 0}, line.run(mergeRequest), &p.output)
		assert.True(t, p.result().Uploaded)
		assert.EqualValues(t, 2, p.result().NewVersion)
		assert.Len(t, versions(), 1)
		assert.Zero(t, deployed(p, line), &p.output)
		assert.Len(t, versions(), 2)

		line.forget()
		assert.Zero(t, deployed(p, line), &p.output)
		assert.True(t, p.result().Uploaded, "without the record the content is uploaded once more")
		assert.Len(t, versions(), 3)
		assert.Len(t, p.tenant.Customizers(), 1)
	})

	t.Run("an archive that can't be trusted", func(t *testing.T) {
		for what, change := range map[string]func(*project){
			"changed": func(p *project) {
				var err error
				p.archive, err = tarOf([]byte("#!/bin/sh\ntouch '" + p.marker + "'\n"))
				require.NoError(t, err)
			},
			"not in checksums.txt": func(p *project) { p.checksums = strings.ReplaceAll(p.checksums, archiveName, "other-"+archiveName) },
			"without checksums":    func(p *project) { p.checksums = "" },
			"missing":              func(p *project) { p.archive = nil },
		} {
			for _, event := range []string{mergeRequest, merge} {
				p, line := begin(t)
				change(p)
				codes := line.run(event)
				require.Len(t, codes, 1, what)
				for job, code := range codes {
					assert.NotZero(t, code, "%s, %s, %s\n%s", what, event, job, &p.output)
				}
				assert.NoFileExists(t, p.marker, what)
				assert.NotContains(t, p.output.String(), `"customizer"`, what)
				assert.Empty(t, p.requests(), what)
			}
		}
	})

	t.Run("a wrong secret", func(t *testing.T) {
		for _, event := range []string{mergeRequest, merge} {
			p, line := begin(t)
			p.secret = "not-the-right-secret"
			codes := line.run(event)
			require.Len(t, codes, 1)
			for job, code := range codes {
				assert.Equal(t, exitDenied, code, "%s, %s\n%s", event, job, &p.output)
			}
			assert.Contains(t, p.output.String(), `"kind":"unauthorized"`, "the log says why")
			assert.NotContains(t, p.output.String(), p.secret)
		}
	})

	t.Run("a limit that lasts longer than the job waits", func(t *testing.T) {
		p, line := begin(t)
		p.tenant.Inject(customizerstest.Fault{Operation: customizerstest.List, Status: http.StatusTooManyRequests,
			Header: http.Header{"Retry-After": {"1201"}}, Times: -1})
		assert.Equal(t, exitRateLimited, deployed(p, line), &p.output)
		assert.Len(t, p.tenant.Requests(customizerstest.List), 1, "nothing starts it again")
	})

	t.Run("an upload that broke", func(t *testing.T) {
		p, line := begin(t)
		p.tenant.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Acted: true, Cut: true})
		code := deployed(p, line)
		if _, ok := line.(*github); ok { // where a person runs it again
			assert.Equal(t, exitUnknown, code, &p.output)
			code = deployed(p, line)
		}
		assert.Zero(t, code, &p.output)
		require.Len(t, p.tenant.Customizers(), 1)
		assert.Len(t, p.tenant.Versions(p.tenant.Customizers()[0].ID), 2, "at worst twice")
	})
}

func TestPipelineOfAFork(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	assert.Empty(t, newGithub(p, readPipelines(t).github).run(fork))
	assert.Empty(t, p.requests())
}

// The environments of the page's second GitLab part are apart, and in order.
func TestPipelineOfSeveralEnvironments(t *testing.T) {
	t.Parallel()
	page := readPipelines(t)
	config := maps.Clone(page.gitlab)
	maps.Copy(config, page.gitlabMore)
	p := newProject(t)
	line := newGitlab(p, config, "bash", "-euo", "pipefail")
	assert.Equal(t, map[string]int{"deploy-dev": 0, "deploy": 0}, line.run(merge), &p.output)
	assert.Len(t, p.dev.Customizers(), 1)
	assert.Len(t, p.tenant.Customizers(), 1)
	assert.ElementsMatch(t, []string{"record-development", "record-production"}, slices.Collect(maps.Keys(line.caches)))

	p.content = "broken"
	p.dev.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: http.StatusBadRequest})
	assert.Equal(t, map[string]int{"deploy-dev": exitFailure}, line.run(merge), "what fails in development goes no further")
	assert.Len(t, p.tenant.Requests(customizerstest.CreateVersion), 1)
}

// One job deploys several customizers, and uploads those that changed.
func TestPipelineOfSeveralCustomizers(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	program, err := built()
	require.NoError(t, err)
	script := readPipelines(t).several
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".tools"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".tools", "customizers"), program, 0o700))
	put := func(name, content string) {
		folder := filepath.Join(dir, "customizers", name, "dist")
		require.NoError(t, os.MkdirAll(folder, 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+"-0.1.0.zip"), customizerZip(t, content), 0o600))
	}
	deployAll := func() map[string]bool {
		path := filepath.Join(dir, "result.jsonl")
		require.NoError(t, os.RemoveAll(path))
		require.Zero(t, p.shell(dir, p.credentials("production"), script, "sh", "-eu"), &p.output)
		uploaded := map[string]bool{}
		for _, r := range resultsIn(t, path) {
			uploaded[r.Customizer.Name] = r.Uploaded
		}
		return uploaded
	}
	put("hr-feed", "first")
	put("badge-sync", "first")
	assert.Equal(t, map[string]bool{"badge-sync": true, "hr-feed": true}, deployAll())
	assert.Equal(t, map[string]bool{"badge-sync": false, "hr-feed": false}, deployAll())
	put("hr-feed", "second")
	assert.Equal(t, map[string]bool{"badge-sync": false, "hr-feed": true}, deployAll())
}

// What a person who copies the pipelines relies on, beside what they do.
func TestPipelinesAreCareful(t *testing.T) {
	t.Parallel()
	page := readPipelines(t)

	variables := page.gitlab["variables"].(map[string]any)
	assert.Equal(t, "https://github.com/connector-customizers/customizers/releases/download", variables["CUSTOMIZERS_RELEASES"])
	assert.Equal(t, page.github["env"], page.gitlab["variables"])
	assert.NotContains(t, page.text["gitlab"], "SAIL_", "they are the project's variables")
	jobs := newGitlab(newProject(t), page.gitlab, "sh").jobs()
	assert.NotEmpty(t, jobs["deploy"]["resource_group"])
	assert.Equal(t, "verify", jobs["dry-run"]["environment"].(map[string]any)["action"])
	assert.NotContains(t, jobs["build"], "environment", "so that it sees no credentials")
	for name, job := range jobs {
		assert.NotEmpty(t, job["image"], name)
		assert.Equal(t, name == "dry-run", strings.Contains(scriptOf(t, job), "--dry-run"), name)
	}

	assert.Equal(t, map[string]any{"contents": "read"}, page.github["permissions"])
	assert.NotContains(t, page.github["on"], "pull_request_target")
	for name, job := range page.github["jobs"].(map[string]any) {
		job := job.(map[string]any)
		assert.NotContains(t, job, "env", name)
		if name == "deploy" {
			assert.Equal(t, "production", job["environment"])
			concurrency := job["concurrency"].(map[string]any)
			assert.NotEmpty(t, concurrency["group"])
			assert.Equal(t, false, concurrency["cancel-in-progress"])
		}
		for _, step := range job["steps"].([]any) {
			step := step.(map[string]any)
			script, _ := step["run"].(string)
			assert.Equal(t, strings.Contains(script, "customizers deploy"), step["env"] != nil, "%s: the secrets are where they are needed: %v", name, step)
			assert.NotContains(t, script, "${{", "an expression in a script can be made to be shell")
		}
	}
}

// The pipelines of the page.
type pipelines struct {
	gitlab, gitlabMore, github map[string]any
	several                    string            // a script
	text                       map[string]string // of gitlab and github
}

func readPipelines(t *testing.T) pipelines {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "pipelines.md"))
	require.NoError(t, err)
	blocks := func(language string) (out []string) {
		for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			out = append(out, m[1])
		}
		return out
	}
	parse := func(text string) map[string]any {
		var config map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &config), text)
		return config
	}
	yamls, scripts := blocks("yaml"), blocks("sh")
	require.Len(t, yamls, 3)
	require.Len(t, scripts, 2)
	return pipelines{
		gitlab: parse(yamls[0]), github: parse(yamls[1]), gitlabMore: parse(yamls[2]), several: scripts[0],
		text: map[string]string{"gitlab": yamls[0], "github": yamls[1]},
	}
}

const archiveName = "customizers_0.1.0_linux_amd64.tar.gz"

// A project has a customizer, a tenant to deploy to, and a server with a release of the
// program.
type project struct {
	t       *testing.T
	tenant  *customizerstest.Server
	dev     *customizerstest.Server   // the tenant of the environment development
	reading []*customizerstest.Server // the tenant as a token sees it that may only read
	secret  string                    // wrong, when it is not empty
	content string                    // of the customizer

	releases  string // the address
	archive   []byte
	checksums string
	marker    string // a file that a false program makes

	tools  string // comes first on PATH
	output locked // of all jobs
	last   []byte // the last result
}

func newProject(t *testing.T) *project {
	t.Helper()
	archive := releaseOf(t)
	p := &project{t: t, archive: archive, tenant: customizerstest.NewServer(), dev: customizerstest.NewServer(), content: "first", tools: t.TempDir()}
	p.marker = filepath.Join(p.tools, "marker")
	p.checksums = strings.Repeat("0", 64) + "  customizers_0.1.0_darwin_arm64.tar.gz\n" +
		sumOf(p.archive) + "  " + archiveName + "\n" +
		strings.Repeat("1", 64) + "  " + archiveName + ".sbom.json\n"
	releases := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v0.1.0/checksums.txt":
			_, _ = w.Write([]byte(p.checksums))
		case r.URL.Path == "/v0.1.0/"+archiveName && p.archive != nil:
			_, _ = w.Write(p.archive)
		default:
			http.NotFound(w, r)
		}
	}))
	p.releases = releases.URL
	// What builds a customizer is not tried here.
	npm := `#!/bin/sh
set -eu
case "$*" in
ci) ;;
"run pack-zip") mkdir -p dist && cp prepared.zip dist/hr-feed-0.1.0.zip ;;
*) exit 1 ;;
esac
`
	require.NoError(t, os.WriteFile(filepath.Join(p.tools, "npm"), []byte(npm), 0o700))
	t.Cleanup(func() {
		releases.Close()
		for _, srv := range append(p.reading, p.tenant, p.dev) {
			srv.Close()
			assert.NotContains(t, p.output.String(), srv.ClientSecret)
		}
		assert.NotContains(t, p.output.String(), "Bearer")
		assert.NotContains(t, p.output.String(), "eyJ", "the beginning of a token")
	})
	return p
}

// checkout makes a folder with the project's files.
func (p *project) checkout(dir string) {
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, "prepared.zip"), customizerZip(p.t, p.content), 0o600))
}

// credentials are those that an environment has.
func (p *project) credentials(environment string) map[string]string {
	srv := map[string]*customizerstest.Server{"production": p.tenant, "development": p.dev}[environment]
	if environment == "preview" {
		srv = customizerstest.NewServer(customizerstest.WithState(p.tenant.State()), customizerstest.WithScopes("sp:connector:read"))
		p.reading = append(p.reading, srv)
	}
	require.NotNil(p.t, srv, "environment %q", environment)
	secret := srv.ClientSecret
	if p.secret != "" {
		secret = p.secret
	}
	return map[string]string{"SAIL_BASE_URL": srv.URL, "SAIL_CLIENT_ID": srv.ClientID, "SAIL_CLIENT_SECRET": secret}
}

// requests are those that came to any tenant.
func (p *project) requests(operations ...customizerstest.Operation) (all []customizerstest.Request) {
	for _, srv := range append(p.reading, p.tenant, p.dev) {
		all = append(all, srv.Requests(operations...)...)
	}
	return all
}

// writes are the requests that could change something.
func (p *project) writes() []customizerstest.Request {
	return p.requests(customizerstest.Create, customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion)
}

// keepResult keeps the result that a job wrote.
func (p *project) keepResult(dir string) {
	data, err := os.ReadFile(filepath.Join(dir, "result.json"))
	require.NoError(p.t, err)
	p.last = data
}

func (p *project) result() (r deploy.Result) {
	p.t.Helper()
	require.NoError(p.t, json.Unmarshal(p.last, &r), "%s\n%s", p.last, &p.output)
	return r
}

// shell runs a script, with nothing of this process's environment but PATH.
func (p *project) shell(dir string, env map[string]string, script string, command ...string) int {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "script")
	require.NoError(p.t, os.WriteFile(path, []byte(script), 0o600))
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], path)...)
	cmd.WaitDelay = time.Second // what the shell started may live on and hold its output
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &p.output, &p.output
	cmd.Env = []string{"CI=true", "HOME=" + p.tools, "PATH=" + p.tools + string(os.PathListSeparator) + os.Getenv("PATH")}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.t, err)
	return 0
}

func resultsIn(t *testing.T, path string) (all []deploy.Result) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for dec := json.NewDecoder(bytes.NewReader(data)); dec.More(); {
		var r deploy.Result
		require.NoError(t, dec.Decode(&r))
		all = append(all, r)
	}
	return all
}

// built is this program, as it is released: without cgo.
var built = sync.OnceValues(func() (data []byte, err error) {
	dir, err := os.MkdirTemp("", "customizers")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "customizers")
	build := exec.CommandContext(context.Background(), "go", "build", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(path)
})

// release is the archive with it.
var release = sync.OnceValues(func() ([]byte, error) {
	program, err := built()
	if err != nil {
		return nil, err
	}
	return tarOf(program)
})

// releaseOf is the archive of a release.
func releaseOf(t *testing.T) []byte {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the pipelines run on Linux")
	}
	archive, err := release()
	require.NoError(t, err)
	return archive
}

func tarOf(program []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	err = errors.Join(
		w.WriteHeader(&tar.Header{Name: "LICENSE", Mode: 0o644}),
		w.WriteHeader(&tar.Header{Name: "customizers", Mode: 0o755, Size: int64(len(program))}))
	if err == nil {
		_, err = w.Write(program)
	}
	err = errors.Join(err, w.Close(), z.Close())
	return b.Bytes(), err
}

func customizerZip(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("index.js")
	require.NoError(t, err)
	_, err = w.Write([]byte(content))
	require.NoError(t, errors.Join(err, z.Close()))
	return b.Bytes()
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
