package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

const changelogFile = "CHANGELOG.md"

// A section of the changelog is what it says of a version.
type section struct {
	version string // with its v; empty for Unreleased
	kinds   []string
	lines   []string
}

type changelog struct {
	unreleased section
	versions   []section // newest first
}

// The kinds of changes that Keep a Changelog knows.
var kinds = []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

var (
	versionHeading = regexp.MustCompile(`^## \[([^]]+)\] - (\d{4}-\d{2}-\d{2})( \[YANKED\])?$`)
	linkDefinition = regexp.MustCompile(`^\[([^]]+)\]: *(\S+)$`)
)

// parseChangelog reads a changelog, or tells everything by which it isn't in the form of
// Keep a Changelog.
func parseChangelog(text string) (changelog, error) {
	p := parser{links: map[string]string{}}
	for i, line := range strings.Split(text, "\n") {
		p.line = i + 1
		p.read(strings.TrimRight(line, " \r"))
	}
	p.endKind()
	if p.log.unreleased.lines == nil {
		p.complain("there is no heading \"## [Unreleased]\"")
	}
	for _, s := range p.log.versions {
		if link := p.links[strings.TrimPrefix(s.version, "v")]; !strings.HasSuffix(link, s.version) {
			p.complain("the version %s has no link to its tag, such as [%s]: …/releases/tag/%s", s.version, s.version[1:], s.version)
		}
	}
	return p.log, errors.Join(p.problems...)
}

type parser struct {
	log      changelog
	links    map[string]string
	section  *section // that the line is in
	entries  int      // of the section's last kind
	line     int
	problems []error
}

func (p *parser) complain(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("%s:%d: %s", changelogFile, p.line, fmt.Sprintf(format, args...)))
}

func (p *parser) read(line string) {
	if p.line == 1 && line != "# Changelog" {
		p.complain("the first line is not \"# Changelog\"")
	}
	switch {
	case strings.HasPrefix(line, "## "):
		p.endKind()
		p.section = p.heading(line)
		p.section.lines = []string{}
		return
	case p.section == nil:
		return
	case strings.HasPrefix(line, "### "):
		p.endKind()
		kind := strings.TrimPrefix(line, "### ")
		if !slices.Contains(kinds, kind) {
			p.complain("there is no kind of changes %q: use %s", kind, strings.Join(kinds, ", "))
		}
		if slices.Contains(p.section.kinds, kind) {
			p.complain("%s stands twice in a version", kind)
		}
		p.section.kinds = append(p.section.kinds, kind)
		p.entries = 0
	case strings.HasPrefix(line, "- "):
		if len(p.section.kinds) == 0 {
			p.complain("an entry stands below no kind of changes")
		}
		p.entries++
	default:
		if m := linkDefinition.FindStringSubmatch(line); m != nil {
			p.links[m[1]] = m[2]
			return
		}
	}
	p.section.lines = append(p.section.lines, line)
}

// endKind is called where the entries of a kind end.
func (p *parser) endKind() {
	if p.section != nil && len(p.section.kinds) > 0 && p.entries == 0 {
		p.complain("%s has no entry", p.section.kinds[len(p.section.kinds)-1])
	}
	p.entries = 0
}

func (p *parser) heading(line string) *section {
	if line == "## [Unreleased]" {
		if p.log.unreleased.lines != nil || len(p.log.versions) > 0 {
			p.complain("Unreleased stands once, and first")
		}
		return &p.log.unreleased
	}
	m := versionHeading.FindStringSubmatch(line)
	if m == nil {
		p.complain("%q is neither \"## [Unreleased]\" nor like \"## [1.2.3] - 2026-01-31\"", line)
		return &section{}
	}
	version := "v" + m[1]
	if semver.Canonical(version) != version {
		p.complain("%q is not a semantic version", m[1])
		return &section{}
	}
	if _, err := time.Parse(time.DateOnly, m[2]); err != nil {
		p.complain("there is no day %s", m[2])
	}
	if n := len(p.log.versions); n > 0 && semver.Compare(version, p.log.versions[n-1].version) >= 0 {
		p.complain("%s stands below %s: the newest comes first", version, p.log.versions[n-1].version)
	}
	p.log.versions = append(p.log.versions, section{version: version})
	return &p.log.versions[len(p.log.versions)-1]
}

// notes are what the changelog says of a version; of one that it doesn't have, Unreleased.
func (l changelog) notes(version string) string {
	s := l.unreleased
	for _, v := range l.versions {
		if v.version == version {
			s = v
		}
	}
	return strings.TrimSpace(strings.Join(s.lines, "\n"))
}

// asks tells by how much Unreleased moves the version.
func (l changelog) asks() change {
	kinds := slices.Clone(l.unreleased.kinds)
	fixes := slices.DeleteFunc(kinds, func(kind string) bool { return kind == "Fixed" || kind == "Security" })
	switch {
	case slices.Contains(kinds, "Removed"), strings.Contains(strings.Join(l.unreleased.lines, "\n"), "- **Breaking"):
		return breaking
	case len(fixes) > 0:
		return minor
	}
	return patch
}
