package cli

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// On a terminal, a line stays above the status, which each later status replaces.
func TestConsoleStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := newConsole(&out)
		c.terminal = true
		wrote := func() string {
			c.mu.Lock()
			defer c.mu.Unlock()
			defer out.Reset()
			return out.String()
		}
		const erase = "\r\x1b[K"
		c.step("Reading %s", "dist")
		assert.Equal(t, erase+"Reading dist", wrote())
		c.note("a line")
		assert.Equal(t, erase+"a line\n"+erase+"Reading dist", wrote())

		end := time.Now().Add(2 * time.Second)
		c.show(func() string { return timeText(time.Until(end)) })
		assert.Equal(t, erase+"2 s", wrote())
		time.Sleep(1550 * time.Millisecond)
		assert.Contains(t, wrote(), erase+"1 s")
		c.show(nil)
		assert.Equal(t, erase+"Reading dist", wrote())
		c.clear()
		assert.Equal(t, erase, wrote())
		time.Sleep(time.Second)
		assert.Empty(t, wrote(), "nothing is drawn after the end")
	})
}

// Elsewhere, a task is a line, and there is no status.
func TestConsoleWithoutTerminal(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	c.step("Looking for %s", "hr\x1b-feed")
	c.step("Looking for %s", "hr\x1b-feed")
	c.show(func() string { return "a status" })
	c.clear()
	assert.Equal(t, "Looking for hr\ufffd-feed\n", out.String())

	out.Reset()
	c.quiet = true
	c.step("Creating")
	c.note("a line")
	assert.Empty(t, out.String())
	c.print("an error")
	assert.Equal(t, "an error\n", out.String())
}
