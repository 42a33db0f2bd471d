package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A repo is a repository that is to be released.
type repo struct {
	t   *testing.T
	dir string
}

const (
	library = "package customizers\n\nfunc Get() {}\n"
	// It answers as the real command does.
	program = `package main

import (
	"encoding/json"
	"os"
	"runtime/debug"
)

func main() {
	info, _ := debug.ReadBuildInfo()
	is := map[string]string{"version": info.Main.Version, "go": info.GoVersion}
	for _, s := range info.Settings {
		is[s.Key] = s.Value
	}
	is["commit"], is["date"] = is["vcs.revision"], is["vcs.time"]
	_ = json.NewEncoder(os.Stdout).Encode(is)
}
`
)

func newRepo(t *testing.T) *repo {
	t.Helper()
	r := &repo{t, t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main")
	r.commit(map[string]string{
		"go.mod":                                   "module example.com/customizers\n\ngo 1.25.0\n",
		"customizers.go":                           library,
		"deploy/deploy.go":                         "package deploy\n\nfunc Deploy() {}\n",
		"internal/inner/inner.go":                  "package inner\n\nfunc Inner() {}\n",
		"cmd/customizers/main.go":                  program,
		"cmd/customizers/man/customizers.1":        ".TH CUSTOMIZERS 1\n",
		"cmd/customizers/completions/_customizers": "#compdef customizers\n",
		"LICENSE":                                  "MIT\n",
		"README.md":                                "# Read\n",
		".gitignore":                               "/dist/\n",
		changelogFile:                              unreleased("### Added\n\n- All.\n"),
	})
	return r
}

// unreleased is a changelog without versions.
func unreleased(entries string) string { return changelogStart + "\n" + entries }

// released is a changelog of one version.
func released(version, entries string) string {
	version = strings.TrimPrefix(version, "v")
	return changelogStart + "\n" + entries + "\n## [" + version + "] - 2026-01-31\n\n### Added\n\n- All.\n\n[" +
		version + "]: https://example.com/releases/tag/v" + version + "\n"
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	id := []string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"}
	out, err := git(r.t.Context(), r.dir, append(id, args...)...)
	require.NoError(r.t, err)
	return out
}

// commit writes files, removes those without content, and commits that.
func (r *repo) commit(files map[string]string) {
	r.t.Helper()
	for name, content := range files {
		path := filepath.Join(r.dir, name)
		require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(r.t, os.WriteFile(path, []byte(content), 0o600))
		if content == "" {
			require.NoError(r.t, os.Remove(path))
		}
	}
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "-m", "a change")
}

var errNotBuilt = errors.New("not in this test")

// check returns what was told, without a build.
func (r *repo) check(version string) (told string, err error) {
	r.t.Helper()
	var out bytes.Buffer
	err = check(r.t.Context(), r.dir, version, func(_ context.Context, _, version, _ string, _ io.Writer) error {
		out.WriteString("build " + version + "\n")
		return errNotBuilt
	}, &out, io.Discard)
	return out.String(), err
}

func TestReleaseFromTheFirstOn(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	told, err := r.check("")
	assert.ErrorIs(t, err, errNotBuilt)
	assert.Equal(t, `changelog ok: Unreleased, and 0 versions
version   ok: v0.1.0 is next, after none
API       ok: there is no tag yet, and so nothing to compare with
build v0.1.0
`, told)

	r.commit(map[string]string{changelogFile: released("v0.1.0", "")})
	told, _ = r.check("")
	assert.Contains(t, told, "v0.1.0 is next, after none")

	r.git("tag", "v0.1.0")
	told, _ = r.check("")
	assert.Contains(t, told, "v0.1.0 is next, after none", "as in the workflow of the tag")

	r.commit(map[string]string{changelogFile: released("v0.1.0", "### Fixed\n\n- A bug.\n")})
	told, _ = r.check("")
	assert.Contains(t, told, "v0.1.1 is next, after v0.1.0\nAPI       ok: no changes since v0.1.0\nbuild v0.1.1\n")

	r.git("tag", "v0.2.0-rc.1")
	r.commit(nil)
	told, _ = r.check("")
	assert.Contains(t, told, "v0.1.1 is next, after v0.1.0", "a prerelease is no base")
}

func TestAPI(t *testing.T) {
	t.Parallel()
	const (
		added   = library + "\nfunc List() {}\n"
		removed = "package customizers\n\nfunc List() {}\n"
		fixed   = "### Fixed\n\n- A.\n"
	)
	for name, tc := range map[string]struct {
		base, version string
		files         map[string]string
		entries       string // of Unreleased
		want          string
	}{
		"nothing":                 {"v0.1.0", "", nil, fixed, "API       ok: no changes since v0.1.0\nbuild v0.1.1"},
		"inside":                  {"v1.0.0", "", map[string]string{"internal/inner/inner.go": "package inner\n"}, fixed, "API       ok: no changes since v1.0.0\nbuild v1.0.1"},
		"an addition":             {"v0.1.0", "", map[string]string{"customizers.go": added}, "### Added\n\n- A.\n", "ok: additions since v0.1.0\nbuild v0.2.0"},
		"an addition as a fix":    {"v0.1.0", "", map[string]string{"customizers.go": added}, fixed, "FAILED: v0.1.1 permits no changes after v0.1.0, and the API has additions, which need v0.2.0:\nCompatible changes:\n- List: added"},
		"a break as a fix":        {"v0.1.0", "", map[string]string{"customizers.go": removed}, fixed, "FAILED: v0.1.1 permits no changes after v0.1.0, and the API has breaking changes, which need v0.2.0:\nIncompatible changes:\n- Get: removed"},
		"a break that is told":    {"v0.1.0", "", map[string]string{"customizers.go": removed}, "### Removed\n\n- A.\n", "ok: breaking changes since v0.1.0\nbuild v0.2.0"},
		"a break of another type": {"v0.1.0", "v0.1.1", map[string]string{"customizers.go": "package customizers\n\nfunc Get() int { return 0 }\n"}, fixed, "- Get: changed from func() to func() int"},
		"a package gone":          {"v0.1.0", "v0.1.1", map[string]string{"deploy/deploy.go": ""}, fixed, "- package example.com/customizers/deploy: removed"},
		"a break after 1.0":       {"v1.0.0", "v1.1.0", map[string]string{"customizers.go": removed}, fixed, "FAILED: v1.1.0 permits additions after v1.0.0, and the API has breaking changes, which need v2.0.0"},
		"a break after 1.0, told": {"v1.0.0", "", map[string]string{"customizers.go": removed}, "### Changed\n\n- **Breaking:** a.\n", "version   FAILED: version \"v2.0.0\" invalid: should be v0 or v1, not v2"},
		"what doesn't compile":    {"v0.1.0", "", map[string]string{"customizers.go": "package customizers\n\nvar A int = \"\"\n"}, fixed, "API       FAILED: "},
		"a replace":               {"v0.1.0", "", map[string]string{"go.mod": "module example.com/customizers\n\ngo 1.25.0\n\nreplace example.com/a => ../a\n"}, fixed, "FAILED: go.mod: replace"},
		"a version before":        {"v0.1.0", "v0.0.9", nil, fixed, "FAILED: v0.0.9 is not after v0.1.0"},
		"a version that is none":  {"v0.1.0", "1.2", nil, fixed, "FAILED: VERSION=1.2 is not like v1.2.3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			r.commit(map[string]string{changelogFile: released(tc.base, "")})
			r.git("tag", tc.base)
			r.commit(tc.files)
			r.commit(map[string]string{changelogFile: released(tc.base, tc.entries)})
			told, err := r.check(tc.version)
			assert.Error(t, err)
			assert.Contains(t, told, tc.want)
		})
	}
}

func TestTagsAndChangelogAgree(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.git("tag", "v0.1.0")
	told, _ := r.check("")
	assert.Contains(t, told, "changelog FAILED: CHANGELOG.md: the tag v0.1.0 has no section")
	assert.Contains(t, told, "version   FAILED: the commit has the tag v0.1.0, and the newest version of CHANGELOG.md is none")

	r = newRepo(t)
	r.commit(map[string]string{changelogFile: strings.Replace(released("v0.1.0", ""), "\n## [0.1.0]",
		"\n## [0.2.0] - 2026-02-01\n\n[0.2.0]: https://example.com/v0.2.0\n\n## [0.1.0]", 1)})
	told, _ = r.check("")
	assert.Contains(t, told, "changelog FAILED: CHANGELOG.md: the version v0.1.0 has no tag")
}

func TestWhatCannotBeChecked(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.commit(nil)
	shallow := &repo{t, t.TempDir()}
	shallow.git("clone", "--quiet", "--depth=1", "file://"+r.dir, ".")
	_, err := shallow.check("")
	assert.ErrorContains(t, err, "the clone is shallow")

	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "README.md"), []byte("# Changed\n"), 0o600))
	_, err = r.check("")
	assert.ErrorContains(t, err, "these changes are in none:\nM README.md")
}

func TestNotes(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	notes := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"-root", r.dir}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, _, stderr := notes("notes", "v0.1.0")
	assert.Equal(t, 1, code)
	assert.Equal(t, "release: CHANGELOG.md: the newest version is \"\", and not \"v0.1.0\"\n", stderr)

	r.commit(map[string]string{changelogFile: released("v0.1.0", "### Fixed\n\n- A bug.\n")})
	code, stdout, _ := notes("notes", "v0.1.0")
	assert.Equal(t, 0, code)
	assert.Equal(t, "### Added\n\n- All.\n", stdout)

	for _, args := range [][]string{{}, {"notes"}, {"check", "v1.0.0"}, {"-what"}} {
		code, stdout, stderr = notes(args...)
		assert.Equal(t, 2, code, args)
		assert.Empty(t, stdout)
		assert.NotEmpty(t, stderr)
	}
}
