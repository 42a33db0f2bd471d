package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"
)

// A change is by how much one version, or its API, differs from another.
type change int

const (
	patch change = iota
	minor
	breaking
)

func (c change) String() string {
	return [...]string{"no changes", "additions", "breaking changes"}[c]
}

// permits tells what may have changed from one version to another. Before 1.0.0 a minor
// version may break.
func permits(base, next string) change {
	switch {
	case semver.Major(base) != semver.Major(next):
		return breaking
	case semver.MajorMinor(base) == semver.MajorMinor(next):
		return patch
	case semver.Major(base) == "v0":
		return breaking
	}
	return minor
}

// after is the lowest version that permits a change after base.
func after(base string, c change) string {
	var n [3]int
	core, _, _ := strings.Cut(strings.TrimPrefix(base, "v"), "-")
	for i, part := range strings.SplitN(core, ".", 3) {
		n[i], _ = strconv.Atoi(part)
	}
	switch {
	case c == breaking && n[0] > 0:
		n = [3]int{n[0] + 1}
	case c > patch:
		n = [3]int{n[0], n[1] + 1}
	default:
		n[2]++
	}
	return fmt.Sprintf("v%d.%d.%d", n[0], n[1], n[2])
}

// checkAPI fails when the packages in a directory differ by more from those of the base
// version, in another directory, than the next version permits.
func checkAPI(ctx context.Context, baseDir, dir, base, next string) (told string, err error) {
	old, err := load(ctx, baseDir)
	if err != nil {
		return "", fmt.Errorf("%s: %w", base, err)
	}
	now, err := load(ctx, dir)
	if err != nil {
		return "", err
	}
	report := apidiff.ModuleChanges(old, now)
	is := patch
	for _, c := range report.Changes {
		if !c.Compatible {
			is = breaking
			break
		}
		is = minor
	}
	if may := permits(base, next); is > may {
		return "", fmt.Errorf("%s permits %s after %s, and the API has %s, which need %s:\n%s",
			next, may, base, is, after(base, is), strings.TrimSpace(report.String()))
	}
	return fmt.Sprintf("%s since %s", is, base), nil
}

// load reads the packages of a module that others can import.
func load(ctx context.Context, dir string) (*apidiff.Module, error) {
	path, err := modulePath(dir)
	if err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{Context: ctx, Mode: packages.LoadTypes, Dir: dir, Env: environ()}, "./...")
	if err != nil {
		return nil, err
	}
	m := &apidiff.Module{Path: path}
	for _, p := range loaded {
		if p.Name == "main" || strings.Contains(p.PkgPath+"/", "/internal/") {
			continue
		}
		for _, e := range p.Errors {
			return nil, e
		}
		m.Packages = append(m.Packages, p.Types)
	}
	if len(m.Packages) == 0 {
		return nil, fmt.Errorf("%s has no package to import", path)
	}
	return m, nil
}

func modulePath(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	f, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return "", err
	}
	if len(f.Replace) > 0 {
		return "", errors.New("go.mod: replace: no one could go install the command")
	}
	return f.Module.Mod.Path, nil
}

// checkVersion fails when a module can't have the version.
func checkVersion(dir, version string) error {
	path, err := modulePath(dir)
	if err != nil {
		return err
	}
	_, major, _ := module.SplitPathVersion(path)
	return module.CheckPathMajor(version, major)
}
