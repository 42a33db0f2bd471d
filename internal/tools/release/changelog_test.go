package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const changelogStart = "# Changelog\n\nWords.\n\n## [Unreleased]\n"

const links = "\n[0.2.0]: https://example.com/compare/v0.1.0...v0.2.0\n[0.1.0]: https://example.com/releases/tag/v0.1.0\n"

func TestChangelog(t *testing.T) {
	t.Parallel()
	log, err := parseChangelog(changelogStart + `
### Removed

- All.

## [0.2.0] - 2026-02-28 [YANKED]

### Added

- Something,
  on two lines.

### Fixed

Words.

- Something.

## [0.1.0] - 2026-01-31

### Added

- Everything.
` + links)
	require.NoError(t, err)
	require.Len(t, log.versions, 2)
	assert.Equal(t, "v0.2.0", log.versions[0].version)
	assert.Equal(t, "### Added\n\n- Something,\n  on two lines.\n\n### Fixed\n\nWords.\n\n- Something.", log.notes("v0.2.0"))
	assert.Equal(t, "### Added\n\n- Everything.", log.notes("v0.1.0"), "without the links")
	assert.Equal(t, "### Removed\n\n- All.", log.notes("v0.3.0"))
}

func TestChangelogOfThisRepository(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", changelogFile))
	require.NoError(t, err)
	_, err = parseChangelog(string(text))
	assert.NoError(t, err)
}

func TestChangelogInAnotherForm(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"empty":               {"", `:1: the first line is not "# Changelog"`},
		"no Unreleased":       {"# Changelog\n", `there is no heading "## [Unreleased]"`},
		"Unreleased twice":    {changelogStart + "## [Unreleased]\n", ":6: Unreleased stands once, and first"},
		"Unreleased below":    {"# Changelog\n## [0.1.0] - 2026-01-31\n## [Unreleased]\n" + links, ":3: Unreleased stands once, and first"},
		"no brackets":         {changelogStart + "## 0.1.0 - 2026-01-31\n", `:6: "## 0.1.0 - 2026-01-31" is neither`},
		"no date":             {changelogStart + "## [0.1.0]\n" + links, `:6: "## [0.1.0]" is neither`},
		"another date":        {changelogStart + "## [0.1.0] - 31.01.2026\n", "is neither"},
		"no such day":         {changelogStart + "## [0.1.0] - 2026-02-30\n" + links, ":6: there is no day 2026-02-30"},
		"no semantic version": {changelogStart + "## [0.1] - 2026-01-31\n", `:6: "0.1" is not a semantic version`},
		"a v":                 {changelogStart + "## [v0.1.0] - 2026-01-31\n", `"v0.1.0" is not a semantic version`},
		"ascending":           {changelogStart + "## [0.1.0] - 2026-01-31\n## [0.2.0] - 2026-02-28\n" + links, ":7: v0.2.0 stands below v0.1.0"},
		"twice":               {changelogStart + "## [0.1.0] - 2026-01-31\n## [0.1.0] - 2026-01-31\n" + links, ":7: v0.1.0 stands below v0.1.0"},
		"another kind":        {changelogStart + "### Improved\n- A.\n", `:6: there is no kind of changes "Improved": use Added, Changed`},
		"a kind twice":        {changelogStart + "### Added\n- A.\n### Added\n- B.\n", ":8: Added stands twice in a version"},
		"a kind of nothing":   {changelogStart + "### Added\n\n### Fixed\n- B.\n", "Added has no entry"},
		"nothing at the end":  {changelogStart + "### Added\n", "Added has no entry"},
		"an entry of no kind": {changelogStart + "- A.\n", ":6: an entry stands below no kind of changes"},
		"no link":             {changelogStart + "## [0.3.0] - 2026-01-31\n" + links, "the version v0.3.0 has no link to its tag"},
		"a link to another":   {changelogStart + "## [0.1.0] - 2026-01-31\n[0.1.0]: https://example.com/v0.1\n", "the version v0.1.0 has no link to its tag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseChangelog(tc.text)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		base, next string
		may        change
	}{
		{"v0.1.0", "v0.1.1", patch},
		{"v0.1.0", "v0.2.0", breaking},
		{"v0.1.0", "v0.2.0-rc.1", breaking},
		{"v0.1.0", "v1.0.0", breaking},
		{"v1.2.3", "v1.2.4", patch},
		{"v1.2.3", "v1.3.0", minor},
		{"v1.2.3", "v2.0.0", breaking},
	} {
		assert.Equal(t, tc.may, permits(tc.base, tc.next), "%s to %s", tc.base, tc.next)
	}
	for _, base := range []string{"v0.1.3", "v1.2.3"} {
		for _, c := range []change{patch, minor, breaking} {
			assert.GreaterOrEqual(t, permits(base, after(base, c)), c, "%s, %s", base, c)
		}
	}
	assert.Equal(t, []string{"v0.1.4", "v0.2.0", "v0.2.0"}, []string{after("v0.1.3", patch), after("v0.1.3", minor), after("v0.1.3", breaking)})
	assert.Equal(t, []string{"v1.2.4", "v1.3.0", "v2.0.0"}, []string{after("v1.2.3", patch), after("v1.2.3", minor), after("v1.2.3", breaking)})
}
