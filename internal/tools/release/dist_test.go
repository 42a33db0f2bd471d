package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests make releases for this machine and for one with zips, which is quick.
func TestMain(m *testing.M) {
	platforms = []platform{{runtime.GOOS, runtime.GOARCH}, {"windows", "amd64"}}
	os.Exit(m.Run())
}

// buildSmall builds as goreleaser does, for the platforms of the tests.
func buildSmall(ctx context.Context, clone, version, _ string, _ io.Writer) error {
	d := &dist{source: clone, module: "example.com/customizers", version: version}
	if err := os.MkdirAll(d.path(""), 0o700); err != nil {
		return err
	}
	for _, p := range platforms {
		cmd := command(ctx, clone, "go", "build", "-trimpath", "-buildvcs=true", "-o", d.path("program"), "./cmd/customizers")
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		files := map[string]file{}
		for name, from := range map[string]string{
			"LICENSE": "LICENSE", "README.md": "README.md", p.binary(): "dist/program",
			"man/customizers.1": "cmd/customizers/man/customizers.1", "completions/_customizers": "cmd/customizers/completions/_customizers",
		} {
			data, err := os.ReadFile(filepath.Join(clone, from))
			if err != nil {
				return err
			}
			files[name] = file{0o755, data}
		}
		info, err := buildinfo.Read(bytes.NewReader(files[p.binary()].data))
		if err != nil {
			return err
		}
		b := bill{BOMFormat: "CycloneDX", Components: []component{{"std", info.GoVersion}}}
		b.Metadata.Component = component{d.module, version}
		if err := d.write(p, files, b); err != nil {
			return err
		}
	}
	if err := os.Remove(d.path("program")); err != nil {
		return err
	}
	return d.sum()
}

// write makes an archive and its SBOM.
func (d *dist) write(p platform, files map[string]file, b bill) error {
	var archive bytes.Buffer
	names := slices.Sorted(maps.Keys(files))
	if p.os == "windows" {
		w := zip.NewWriter(&archive)
		for _, name := range names {
			f, err := w.Create(name)
			if err != nil {
				return err
			}
			_, _ = f.Write(files[name].data)
		}
		_ = w.Close()
	} else {
		zipped := gzip.NewWriter(&archive)
		w := tar.NewWriter(zipped)
		for _, name := range names {
			f := files[name]
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: int64(f.mode), Size: int64(len(f.data))}); err != nil {
				return err
			}
			_, _ = w.Write(f.data)
		}
		_, _ = w.Close(), zipped.Close()
	}
	bom, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path(d.sbom(p)), bom, 0o600); err != nil {
		return err
	}
	return os.WriteFile(d.path(d.archive(p)), archive.Bytes(), 0o600)
}

// sum writes the checksums of what there is.
func (d *dist) sum() error {
	files, err := published(d.source)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, name := range files {
		if name == checksumsFile {
			continue
		}
		data, err := os.ReadFile(d.path(name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	return os.WriteFile(d.path(checksumsFile), []byte(sums.String()), 0o600)
}

func TestRelease(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	var out bytes.Buffer
	require.NoError(t, check(t.Context(), r.dir, "v0.3.0", buildSmall, &out, io.Discard), &out)
	assert.Contains(t, out.String(), `
archives  ok: 2, of the files that they should have
checksums ok: each file has one, and it is right
SBOM      ok: each archive has one, of the modules in its binary
binary    ok: it runs, and version tells tag, commit and date
install   ok: go install of the command at this version works
again     ok: a second build gave the same bytes
verdict   `+r.git("rev-parse", "HEAD")[:12]+" can be released as v0.3.0\n")

	n := 0
	out.Reset()
	err := check(t.Context(), r.dir, "", func(ctx context.Context, clone, version, notes string, w io.Writer) error {
		n++
		assert.Equal(t, "### Added\n\n- All.", notes)
		require.NoError(t, os.WriteFile(filepath.Join(clone, "LICENSE"), []byte(strings.Repeat("again", n)), 0o600))
		return buildSmall(ctx, clone, version, notes, w)
	}, &out, io.Discard)
	assert.ErrorContains(t, err, "this commit can't be released: ")
	assert.Contains(t, out.String(), "again     FAILED: "+checksumsFile+" has other bytes in the second build")
}

// What is wrong with a release is found, and told by name.
func TestFaultsOfARelease(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.git("tag", "v0.1.0")
	require.NoError(t, buildSmall(t.Context(), r.dir, "v0.1.0", "", io.Discard))
	here, windows := platforms[0], platforms[1]

	for name, tc := range map[string]struct {
		plant func(*testing.T, *dist)
		want  string // empty: nothing is wrong
	}{
		"nothing":          {func(*testing.T, *dist) {}, ""},
		"an archive gone":  {remove(here, (*dist).archive), "dist lacks customizers_0.1.0_" + here.os},
		"an SBOM gone":     {remove(windows, (*dist).sbom), "dist lacks customizers_0.1.0_windows_amd64.cdx.json"},
		"a file too many":  {func(t *testing.T, d *dist) { put(t, d, "customizers_0.1.0_plan9_386.tar.gz", "") }, "dist has customizers_0.1.0_plan9_386.tar.gz, which nothing asks for"},
		"no man page":      {repack(here, func(files map[string]file) { delete(files, "man/customizers.1") }), "it lacks man/customizers.1"},
		"no licence":       {repack(windows, func(files map[string]file) { delete(files, "LICENSE") }), "customizers_0.1.0_windows_amd64.zip: it lacks LICENSE"},
		"a file inside":    {repack(here, func(files map[string]file) { files[".env"] = file{} }), "it has .env, which nothing asks for"},
		"another content":  {repack(here, func(files map[string]file) { files["README.md"] = file{0o644, []byte("old")} }), "README.md is not that of the commit"},
		"not executable":   {repack(here, func(files map[string]file) { files["customizers"] = file{0o644, files["customizers"].data} }), "customizers has the mode -rw-r--r--"},
		"no binary":        {repack(windows, func(files map[string]file) { files["customizers.exe"] = file{0o755, []byte("MZ")} }), "customizers_0.1.0_windows_amd64.zip: "},
		"another platform": {swap, `customizers was built with GOOS "windows"`},
		"another commit":   {func(_ *testing.T, d *dist) { d.commit = strings.Repeat("0", 40) }, "was built with vcs.revision"},
		"another date":     {func(_ *testing.T, d *dist) { d.date = "2026-01-31T00:00:00Z" }, "customizers version writes"},
		"a replace in go.mod": {func(t *testing.T, d *dist) {
			in := &repo{t, d.source}
			in.commit(map[string]string{"go.mod": "module example.com/customizers\n\ngo 1.25.0\n\nreplace example.com/a => ./deploy\n"})
			d.commit = in.git("rev-parse", "HEAD")
		}, "more replace directives"},
		"a wrong sum": {func(t *testing.T, d *dist) {
			sums, err := os.ReadFile(d.path(checksumsFile))
			require.NoError(t, err)
			put(t, d, checksumsFile, strings.Repeat("0", 64)+string(sums[64:]))
		}, "the checksum of customizers_0.1.0_"},
		"a sum gone": {func(t *testing.T, d *dist) {
			sums, err := os.ReadFile(d.path(checksumsFile))
			require.NoError(t, err)
			_, rest, _ := strings.Cut(string(sums), "\n")
			put(t, d, checksumsFile, rest)
		}, "checksums.txt lacks customizers_0.1.0_"},
		"sums of another form": {func(t *testing.T, d *dist) { put(t, d, checksumsFile, "abc\n") }, `checksums.txt: "abc\n"`},
		"an SBOM of no JSON":   {func(t *testing.T, d *dist) { put(t, d, d.sbom(here), "<bom/>") }, "invalid character '<'"},
		"an SBOM of SPDX":      {func(t *testing.T, d *dist) { put(t, d, d.sbom(here), "{}") }, `its format is "", and not CycloneDX`},
		"an SBOM of another":   {bom(here, func(b *bill) { b.Metadata.Component.Version = "v0.0.9" }), "it is that of example.com/customizers@v0.0.9, and not of example.com/customizers@v0.1.0"},
		"a module left out":    {bom(here, func(b *bill) { b.Components = nil }), "it lacks std@go"},
		"a module too many":    {bom(windows, func(b *bill) { b.Components = append(b.Components, component{"a", "v1.0.0"}) }), "it has a@v1.0.0, which nothing asks for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &dist{
				source: t.TempDir(), module: "example.com/customizers", version: "v0.1.0", commit: r.git("rev-parse", "HEAD"),
				date: r.git("-c", "log.date=format-local:%Y-%m-%dT%H:%M:%SZ", "log", "-1", "--format=%cd"),
			}
			require.NoError(t, os.CopyFS(d.source, os.DirFS(r.dir)))
			tc.plant(t, d)
			var told []string
			for _, check := range []func(context.Context) error{d.checkArchives, d.checkChecksums, d.checkSBOMs, d.checkRun, d.checkInstall} {
				if err := check(t.Context()); err != nil {
					told = append(told, err.Error())
				}
			}
			if tc.want == "" {
				assert.Empty(t, told)
				return
			}
			assert.Contains(t, strings.Join(told, "\n"), tc.want)
		})
	}
}

func put(t *testing.T, d *dist, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(d.path(name), []byte(content), 0o600))
}

func remove(p platform, name func(*dist, platform) string) func(*testing.T, *dist) {
	return func(t *testing.T, d *dist) { require.NoError(t, os.Remove(d.path(name(d, p)))) }
}

// repack changes what is in an archive.
func repack(p platform, do func(map[string]file)) func(*testing.T, *dist) {
	return func(t *testing.T, d *dist) {
		files, err := d.open(p)
		require.NoError(t, err)
		do(files)
		require.NoError(t, d.write(p, files, bill{}))
		require.NoError(t, d.sum())
	}
}

// bom changes an SBOM.
func bom(p platform, do func(*bill)) func(*testing.T, *dist) {
	return func(t *testing.T, d *dist) {
		data, err := os.ReadFile(d.path(d.sbom(p)))
		require.NoError(t, err)
		var b bill
		require.NoError(t, json.Unmarshal(data, &b))
		do(&b)
		data, err = json.Marshal(b)
		require.NoError(t, err)
		put(t, d, d.sbom(p), string(data))
	}
}

// swap puts the binary of the other platform into this one's archive.
func swap(t *testing.T, d *dist) {
	other, err := d.open(platforms[1])
	require.NoError(t, err)
	repack(platforms[0], func(files map[string]file) { files["customizers"] = file{0o755, other["customizers.exe"].data} })(t, d)
}
