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
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const checksumsFile = "checksums.txt"

var platforms = []platform{
	{"darwin", "amd64"}, {"darwin", "arm64"}, {"linux", "amd64"},
	{"linux", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

type platform struct{ os, arch string }

func (p platform) binary() string {
	if p.os == "windows" {
		return "customizers.exe"
	}
	return "customizers"
}

// A dist is a release as it was built from a clone, which it is held against.
type dist struct {
	source, module, version, commit, date string
}

// A file is what an archive holds.
type file struct {
	mode fs.FileMode
	data []byte
}

func (d *dist) name(p platform, suffix string) string {
	return fmt.Sprintf("customizers_%s_%s_%s%s", strings.TrimPrefix(d.version, "v"), p.os, p.arch, suffix)
}

func (d *dist) archive(p platform) string {
	if p.os == "windows" {
		return d.name(p, ".zip")
	}
	return d.name(p, ".tar.gz")
}

func (d *dist) sbom(p platform) string { return d.name(p, ".cdx.json") }

func (d *dist) path(name string) string { return filepath.Join(d.source, "dist", name) }

// each does something for each platform, and tells all that failed.
func (d *dist) each(do func(platform) error, of func(platform) string) error {
	var problems []error
	for _, p := range platforms {
		if err := do(p); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", of(p), err))
		}
	}
	return errors.Join(problems...)
}

// goreleaser's own files, which are not published.
var own = []string{"artifacts.json", "config.yaml", "metadata.json"}

// published are the files of the release that was built in a clone.
func published(clone string) (files []string, err error) {
	entries, err := os.ReadDir(filepath.Join(clone, "dist"))
	for _, e := range entries {
		if e.Type().IsRegular() && !slices.Contains(own, e.Name()) {
			files = append(files, e.Name())
		}
	}
	return files, err
}

func (d *dist) checkArchives(context.Context) error {
	got, err := published(d.source)
	if err != nil {
		return err
	}
	want := []string{checksumsFile}
	for _, p := range platforms {
		want = append(want, d.archive(p), d.sbom(p))
	}
	if err := same("dist", got, want); err != nil {
		return err
	}
	return d.each(d.checkArchive, d.archive)
}

// checkArchive holds an archive against the sources, and its binary against what it says.
func (d *dist) checkArchive(p platform) error {
	got, err := d.open(p)
	if err != nil {
		return err
	}
	want := map[string]string{"LICENSE": "LICENSE", "README.md": "README.md"} // to the file in the source
	for dir, of := range map[string]string{"man": "cmd/customizers/man", "completions": "cmd/customizers/completions"} {
		entries, err := os.ReadDir(filepath.Join(d.source, of))
		if err != nil {
			return err
		}
		for _, e := range entries {
			want[path.Join(dir, e.Name())] = path.Join(of, e.Name())
		}
	}
	names := append(slices.Collect(maps.Keys(want)), p.binary())
	if err := same("it", slices.Collect(maps.Keys(got)), names); err != nil {
		return err
	}
	for name, of := range want {
		data, err := os.ReadFile(filepath.Join(d.source, of))
		if err != nil {
			return err
		}
		if !bytes.Equal(got[name].data, data) {
			return fmt.Errorf("%s is not that of the commit", name)
		}
	}
	return d.checkBinary(p, got[p.binary()])
}

func (d *dist) checkBinary(p platform, f file) error {
	if p.os != "windows" && f.mode.Perm()&0o111 != 0o111 {
		return fmt.Errorf("%s has the mode %v", p.binary(), f.mode)
	}
	info, err := buildinfo.Read(bytes.NewReader(f.data))
	if err != nil {
		return err
	}
	got := map[string]string{"module": info.Main.Path, "version": info.Main.Version}
	for _, s := range info.Settings {
		got[s.Key] = s.Value
	}
	for key, want := range map[string]string{
		"module": d.module, "version": d.version, "GOOS": p.os, "GOARCH": p.arch, "CGO_ENABLED": "0", "-trimpath": "true",
		"vcs.revision": d.commit, "vcs.time": d.date, "vcs.modified": "false",
	} {
		if got[key] != want {
			return fmt.Errorf("%s was built with %s %q, and not %q", p.binary(), key, got[key], want)
		}
	}
	return nil
}

func (d *dist) open(p platform) (map[string]file, error) {
	data, err := os.ReadFile(d.path(d.archive(p)))
	if err != nil {
		return nil, err
	}
	files := map[string]file{}
	if p.os == "windows" {
		r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, err
		}
		for _, f := range r.File {
			content, err := fs.ReadFile(r, f.Name)
			if err != nil {
				return nil, err
			}
			files[f.Name] = file{f.Mode(), content}
		}
		return files, nil
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		files[h.Name] = file{h.FileInfo().Mode(), content}
	}
}

func (d *dist) checkChecksums(context.Context) error {
	text, err := os.ReadFile(d.path(checksumsFile))
	if err != nil {
		return err
	}
	var have []string
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			return fmt.Errorf("%s: %q", checksumsFile, line)
		}
		data, err := os.ReadFile(d.path(filepath.Base(name)))
		if err != nil {
			return err
		}
		if sum != fmt.Sprintf("%x", sha256.Sum256(data)) {
			return fmt.Errorf("the checksum of %s is wrong", name)
		}
		have = append(have, name)
	}
	files, err := published(d.source)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(name string) bool { return name == checksumsFile })
	return same(checksumsFile, have, files)
}

// A bill is what is read of a CycloneDX document.
type bill struct {
	BOMFormat string `json:"bomFormat"`
	Metadata  struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

type component struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

func (c component) String() string { return c.Name + "@" + c.Version }

func (d *dist) checkSBOMs(context.Context) error { return d.each(d.checkSBOM, d.sbom) }

func (d *dist) checkSBOM(p platform) error {
	data, err := os.ReadFile(d.path(d.sbom(p)))
	if err != nil {
		return err
	}
	var b bill
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	if b.BOMFormat != "CycloneDX" {
		return fmt.Errorf("its format is %q, and not CycloneDX", b.BOMFormat)
	}
	if is := (component{d.module, d.version}); b.Metadata.Component != is {
		return fmt.Errorf("it is that of %v, and not of %v", b.Metadata.Component, is)
	}
	files, err := d.open(p)
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(files[p.binary()].data))
	if err != nil {
		return err
	}
	want := []string{component{"std", info.GoVersion}.String()}
	for _, m := range info.Deps {
		want = append(want, component{m.Path, m.Version}.String())
	}
	var got []string
	for _, c := range b.Components {
		got = append(got, c.String())
	}
	return same("it", got, want)
}

// checkRun runs the binary that this machine can run.
func (d *dist) checkRun(ctx context.Context) error {
	p := platform{runtime.GOOS, runtime.GOARCH}
	if !slices.Contains(platforms, p) {
		return fmt.Errorf("no binary is for %s on %s", p.os, p.arch)
	}
	files, err := d.open(p)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "release-run-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, p.binary())
	if err := os.WriteFile(program, files[p.binary()].data, 0o700); err != nil {
		return err
	}
	out, err := command(ctx, dir, program, "version", "-o", "json").Output()
	if err != nil {
		return fmt.Errorf("customizers version: %w", err)
	}
	var got struct{ Version, Go, Commit, Date string }
	if err := json.Unmarshal(out, &got); err != nil {
		return fmt.Errorf("customizers version: %w: %s", err, out)
	}
	if got.Version != d.version || got.Commit != d.commit || got.Date != d.date || got.Go == "" {
		return fmt.Errorf("customizers version writes %+v, and should write %s, %s and %s", got, d.version, d.commit, d.date)
	}
	return nil
}

// checkSame compares with the release that was built in another clone.
func (d *dist) checkSame(other string) error {
	files, err := published(d.source)
	if err != nil {
		return err
	}
	again, err := published(other)
	if err != nil {
		return err
	}
	if err := same("the second build", again, files); err != nil {
		return err
	}
	for _, name := range files {
		a, err := os.ReadFile(d.path(name))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(other, "dist", name))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			return fmt.Errorf("%s has other bytes in the second build", name)
		}
	}
	return nil
}

// same fails when two sets of names differ.
func same(what string, got, want []string) error {
	lacks := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return slices.Contains(got, name) })
	extra := slices.DeleteFunc(slices.Clone(got), func(name string) bool { return slices.Contains(want, name) })
	slices.Sort(lacks)
	slices.Sort(extra)
	var problems []error
	if len(lacks) > 0 {
		problems = append(problems, fmt.Errorf("%s lacks %s", what, strings.Join(lacks, ", ")))
	}
	if len(extra) > 0 {
		problems = append(problems, fmt.Errorf("%s has %s, which nothing asks for", what, strings.Join(extra, ", ")))
	}
	return errors.Join(problems...)
}
