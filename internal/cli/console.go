package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A console writes permanent lines to standard error. On a terminal it also shows a status
// under them, which the next status replaces.
type console struct {
	quiet, verbose bool
	terminal       bool // can replace lines

	mu     sync.Mutex
	w      io.Writer
	task   string        // shown if there is no status
	status func() string // may be nil
	shown  bool          // a task or status is on the screen
	timer  *time.Timer   // redraws the status
}

const redrawEvery = 100 * time.Millisecond

func newConsole(w io.Writer) *console {
	return &console{w: w, terminal: isTerminal(w) && os.Getenv("TERM") != "dumb"}
}

func (a *app) addQuietFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.console.quiet, "quiet", "q", false, "suppress notes and progress")
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// widthOf returns the number of columns of a terminal, or 80 if it is unknown.
func widthOf(v any) int {
	if f, ok := v.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// print writes a permanent line.
func (c *console) print(line string) {
	_, _ = c.Write([]byte(line + "\n"))
}

// note writes a permanent line, unless --quiet.
func (c *console) note(format string, args ...any) {
	if !c.quiet {
		c.print(printable(fmt.Sprintf(format, args...)))
	}
}

// Write writes permanent lines. It always succeeds, because work does not end if nobody reads
// about it.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace("")
	_, _ = c.w.Write(p)
	c.draw()
	return len(p), nil
}

// step shows the task on a terminal. Elsewhere it writes a line when the task changes.
func (c *console) step(format string, args ...any) {
	task := printable(fmt.Sprintf(format, args...))
	c.mu.Lock()
	changed := c.task != task
	c.task = task
	c.draw()
	c.mu.Unlock()
	if changed && !c.terminal {
		c.note("%s", task)
	}
}

// show shows a status on a terminal until the next call. If status is nil, it shows the task
// again.
func (c *console) show(status func() string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
	c.draw()
	if status != nil && c.timer == nil {
		c.timer = time.AfterFunc(redrawEvery, c.redraw)
	}
}

func (c *console) redraw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == nil {
		c.timer = nil
		return
	}
	c.draw()
	c.timer.Reset(redrawEvery)
}

// clear removes the task and the status.
func (c *console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.task, c.status = "", nil
	c.draw()
}

func (c *console) draw() {
	if c.status != nil {
		c.replace(c.status())
	} else {
		c.replace(c.task)
	}
}

func (c *console) replace(status string) {
	if !c.terminal || c.quiet || status == "" && !c.shown {
		return
	}
	c.shown = status != ""
	_, _ = io.WriteString(c.w, "\r\x1b[K"+text.Snip(status, widthOf(c.w)-1, "…"))
}

// timeText formats d in whole seconds, rounded up.
func timeText(d time.Duration) string {
	s := int(max(0, (d+time.Second-1)/time.Second))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
}

// printable replaces characters that control a terminal or end a line, but keeps those that join others, as
// emoji do.
func printable(s string) string {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != nonJoiner && r != joiner {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
