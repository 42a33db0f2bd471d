package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// A console is standard error: lines that stay, and below them, on a terminal, one that
// tells what is going on and is written over.
type console struct {
	quiet, verbose bool
	terminal       bool // on which lines can be written over

	mu     sync.Mutex
	w      io.Writer
	status string        // what is shown now
	idle   string        // what is shown when there is nothing else
	stop   chan struct{} // ends the countdown that is shown, or nil
}

func newConsole(w io.Writer) *console {
	return &console{w: w, terminal: isTerminal(w) && !dumb()}
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// dumb reports whether the terminal shows escape sequences instead of obeying them.
func dumb() bool { return os.Getenv("TERM") == "dumb" }

// colours reports whether a writer should get colours (https://no-color.org).
func colours(w io.Writer) bool { return isTerminal(w) && !dumb() && os.Getenv("NO_COLOR") == "" }

// widthOf is the number of columns of a terminal; 80 when it does not tell.
func widthOf(v any) int {
	if f, ok := v.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// live reports whether progress is shown.
func (c *console) live() bool { return c.terminal && !c.quiet }

// print writes a line that stays.
func (c *console) print(line string) {
	_, _ = c.Write([]byte(line + "\n"))
}

// note writes a line that stays, unless --quiet.
func (c *console) note(format string, args ...any) {
	if !c.quiet {
		c.print(printable(fmt.Sprintf(format, args...)))
	}
}

// Write writes lines that stay.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := c.status
	c.draw("")
	n, err := c.w.Write(p)
	c.draw(status)
	return n, err
}

// progress shows what is going on, until the next call; an empty text, nothing more than
// what is done at large.
func (c *console) progress(text string) {
	if !c.live() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endCountdown()
	c.draw(cmp.Or(text, c.idle))
}

// doing says what is done at large, until done.
func (c *console) doing(what string) {
	c.mu.Lock()
	c.idle = what
	c.mu.Unlock()
	c.progress("")
}

// countdown shows a text with the time that is left of d, until the next progress.
func (c *console) countdown(format string, d time.Duration) {
	if !c.live() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endCountdown()
	stop := make(chan struct{})
	c.stop = stop
	end := time.Now().Add(d)
	left := func() string { return fmt.Sprintf(format, timeText(time.Until(end))) }
	c.draw(left())
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			c.mu.Lock()
			if c.stop == stop {
				c.draw(left())
			}
			c.mu.Unlock()
		}
	}()
}

// timeText is a time in whole seconds, rounded up, as people write it.
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

// done takes the progress away.
func (c *console) done() { c.doing("") }

// endWait takes a countdown away.
func (c *console) endWait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.endCountdown()
		c.draw(c.idle)
	}
}

func (c *console) endCountdown() {
	if c.stop != nil {
		close(c.stop)
		c.stop = nil
	}
}

func (c *console) draw(status string) {
	if c.status == "" && status == "" {
		return
	}
	c.status = status
	_, _ = io.WriteString(c.w, "\r\x1b[K"+runewidth.Truncate(status, widthOf(c.w)-1, "…"))
}

const (
	bold  = "1"
	red   = "31"
	green = "32"
)

// painted colours a text, where colours are wanted.
func painted(colours bool, colour, text string) string {
	if !colours || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// printable replaces the control characters of a text that comes from elsewhere, which
// on a terminal would be carried out.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
