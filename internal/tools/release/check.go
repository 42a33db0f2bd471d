package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// A builder makes the release of a version in the dist folder of a clone.
type builder func(ctx context.Context, clone, version, notes string, out io.Writer) error

// check tells of each check whether it passed, and of the whole at the end. What it checks
// is the commit, since that is what a tag names.
func check(ctx context.Context, root, version string, build builder, stdout, stderr io.Writer) error {
	c := &checker{root: root, stdout: stdout, stderr: stderr}
	defer c.cleanUp()
	err := c.check(ctx, version, build)
	if err == nil && c.failed > 0 {
		err = fmt.Errorf("%d checks failed", c.failed)
	}
	if err != nil {
		return fmt.Errorf("this commit can't be released: %w", err)
	}
	c.tell("verdict", "%s can be released as %s", c.commit[:12], c.next)
	return nil
}

type checker struct {
	root           string
	stdout, stderr io.Writer
	temporary      string
	commit, next   string
	failed         int
}

func (c *checker) cleanUp() {
	if c.temporary != "" {
		_ = os.RemoveAll(c.temporary)
	}
}

func (c *checker) tell(what, format string, args ...any) {
	_, _ = fmt.Fprintf(c.stdout, "%-9s %s\n", what, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// result tells how a check ended, and whether it passed.
func (c *checker) result(what, passed string, err error) bool {
	if err != nil {
		c.failed++
		c.tell(what, "FAILED: %v", err)
		return false
	}
	c.tell(what, "ok: %s", passed)
	return true
}

func (c *checker) check(ctx context.Context, version string, build builder) error {
	one, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(one, changelogFile))
	if err != nil {
		return err
	}
	tags, here, err := releases(ctx, one)
	if err != nil {
		return err
	}
	log, err := parseChangelog(string(text))
	if err == nil {
		err = log.agree(tags)
	}
	c.result("changelog", fmt.Sprintf("Unreleased, and %d versions", len(log.versions)), err)

	base, next, err := plan(log, tags, here, version)
	if err == nil {
		err = checkVersion(one, next)
	}
	if !c.result("version", fmt.Sprintf("%s is next, after %s", next, named(base)), err) {
		return nil // the other checks are about that version
	}
	c.next = next

	if base == "" {
		c.tell("API", "ok: there is no tag yet, and so nothing to compare with")
	} else {
		old := filepath.Join(c.temporary, "base")
		if _, err := git(ctx, one, "worktree", "add", "--quiet", "--detach", old, base); err != nil {
			return err
		}
		told, err := checkAPI(ctx, old, one, base, next)
		c.result("API", told, err)
	}
	return c.release(ctx, one, log.notes(next), build)
}

// prepare makes the first clone.
func (c *checker) prepare(ctx context.Context) (string, error) {
	changed, err := git(ctx, c.root, "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return "", err
	}
	if changed != "" {
		return "", fmt.Errorf("a tag names a commit, and these changes are in none:\n%s", changed)
	}
	shallow, err := git(ctx, c.root, "rev-parse", "--is-shallow-repository")
	if err != nil {
		return "", err
	}
	if shallow == "true" {
		return "", errors.New("the clone is shallow, so tags may be missing: git fetch --unshallow --tags")
	}
	if c.commit, err = git(ctx, c.root, "rev-parse", "HEAD"); err != nil {
		return "", err
	}
	if c.temporary, err = os.MkdirTemp("", "release-check-"); err != nil {
		return "", err
	}
	return c.clone(ctx, "one")
}

func (c *checker) clone(ctx context.Context, name string) (string, error) {
	dir := filepath.Join(c.temporary, name)
	from, err := filepath.Abs(c.root)
	if err != nil {
		return "", err
	}
	if _, err = git(ctx, c.temporary, "clone", "--quiet", "--no-checkout", from, dir); err == nil {
		_, err = git(ctx, dir, "checkout", "--quiet", "--detach", c.commit)
	}
	return dir, err
}

// release builds the release twice, in folders of other names, and looks at it.
func (c *checker) release(ctx context.Context, one, notes string, build builder) error {
	two, err := c.clone(ctx, "another")
	if err != nil {
		return err
	}
	for _, clone := range []string{one, two} {
		if _, err := git(ctx, clone, "-c", "tag.gpgsign=false", "tag", "--force", c.next); err != nil {
			return err
		}
		if err := build(ctx, clone, c.next, notes, c.stderr); err != nil {
			return fmt.Errorf("the build: %w", err)
		}
	}
	date, err := git(ctx, one, "log", "-1", "--format=%cI")
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return err
	}
	path, err := modulePath(one)
	if err != nil {
		return err
	}
	d := &dist{source: one, module: path, version: c.next, commit: c.commit, date: at.UTC().Format(time.RFC3339)}
	for _, check := range []struct {
		what, passed string
		do           func(context.Context) error
	}{
		{"archives", fmt.Sprintf("%d, of the files that they should have", len(platforms)), d.checkArchives},
		{"checksums", "each file has one, and it is right", d.checkChecksums},
		{"SBOM", "each archive has one, of the modules in its binary", d.checkSBOMs},
		{"binary", "it runs, and version tells tag, commit and date", d.checkRun},
		{"install", "go install of the command at this version works", d.checkInstall},
		{"again", "a second build gave the same bytes", func(context.Context) error { return d.checkSame(two) }},
	} {
		c.result(check.what, check.passed, check.do(ctx))
	}
	return nil
}

// buildRelease has goreleaser do all of a release but sign and publish it.
func buildRelease(ctx context.Context, clone, _, notes string, out io.Writer) error {
	file := filepath.Join(filepath.Dir(clone), "notes.md")
	if err := os.WriteFile(file, []byte(notes+"\n"), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"check"},
		{"release", "--clean", "--skip=publish,announce,sign", "--release-notes", file},
	} {
		cmd := command(ctx, clone, "go", append([]string{"tool", "-modfile=internal/tools/goreleaser/go.mod", "goreleaser"}, args...)...)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("goreleaser %s: %w", args[0], err)
		}
	}
	return nil
}

// releases gives the tags that are versions without a prerelease, newest first, of HEAD
// and what is before it, and those that HEAD has itself.
func releases(ctx context.Context, dir string) (all, here []string, err error) {
	for _, of := range []struct {
		how string
		to  *[]string
	}{{"--merged", &all}, {"--points-at", &here}} {
		out, err := git(ctx, dir, "tag", of.how, "HEAD")
		if err != nil {
			return nil, nil, err
		}
		for tag := range strings.FieldsSeq(out) {
			if semver.Canonical(tag) == tag {
				*of.to = append(*of.to, tag)
			}
		}
		semver.Sort(*of.to)
		slices.Reverse(*of.to)
	}
	return all, here, nil
}

// plan tells the version to compare with, empty when there is none yet, and the next one.
func plan(log changelog, tags, here []string, stated string) (base, next string, err error) {
	newest := ""
	if len(log.versions) > 0 {
		newest = log.versions[0].version
	}
	switch {
	case stated != "" && semver.Canonical(stated) != stated:
		return "", "", fmt.Errorf("VERSION=%s is not like v1.2.3", stated)
	case stated != "":
		next = stated
	case newest != "" && (slices.Contains(here, newest) || !slices.Contains(tags, newest)):
		next = newest
	}
	stable := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return semver.Prerelease(tag) != "" || tag == next })
	if len(stable) > 0 {
		base = stable[0]
	}
	if next == "" {
		next = "v0.1.0"
		if base != "" {
			next = after(base, log.asks())
		}
	}
	if semver.Compare(next, base) <= 0 {
		return base, next, fmt.Errorf("%s is not after %s", next, base)
	}
	for _, tag := range here {
		if tag != next {
			return base, next, fmt.Errorf("the commit has the tag %s, and the newest version of %s is %s", tag, changelogFile, named(newest))
		}
	}
	return base, next, nil
}

func named(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

// agree fails when a tag isn't in the changelog, or a version but the newest has no tag.
func (l changelog) agree(tags []string) error {
	var problems []error
	for i, s := range l.versions {
		if i > 0 && !slices.Contains(tags, s.version) {
			problems = append(problems, fmt.Errorf("%s: the version %s has no tag", changelogFile, s.version))
		}
	}
	for _, tag := range tags {
		known := slices.ContainsFunc(l.versions, func(s section) bool { return s.version == tag })
		if !known && semver.Prerelease(tag) == "" {
			problems = append(problems, fmt.Errorf("%s: the tag %s has no section", changelogFile, tag))
		}
	}
	return errors.Join(problems...)
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := command(ctx, dir, "git", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(environ(), "PWD="+dir)
	return cmd
}

// environ leaves out by what git, in a hook, points to a repository.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
}
