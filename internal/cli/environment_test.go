package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The pages of the commands show a list in a help text as it is in a terminal: in Markdown, it is
// a block of code after an empty line.
func TestHelpIsMarkdown(t *testing.T) {
	t.Parallel()
	for _, c := range append(Command().Commands(), Command()) {
		assert.NotRegexp(t, `(?m)^ {1,3}\S`, c.Long, c.Name())
		assert.NotRegexp(t, `(?m)^\S.*\n {4}`, c.Long, c.Name())
	}
}
