package acceptance

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what is due. It is waited for in full only when
// the test fails.
const patience = 20 * time.Second

// Keys, as a terminal sends them.
const (
	enter = "\r"
	ctrlC = "\x03"
	ctrlD = "\x04"
)

// A terminal runs the program as a person sees it: what it writes goes to a screen.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys *os.File

	mu      sync.Mutex
	changed *sync.Cond
	screen  *vt.Emulator
	raw     bytes.Buffer // what was written to the screen
	over    bool         // nothing more comes
}

// inTerminal runs the program in a terminal. If stdout is not nil, it replaces the terminal
// as standard output.
func inTerminal(t *testing.T, columns int, env []string, stdout io.Writer, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir, cmd.Stdout = env, t.TempDir(), stdout
	return startInTerminal(t, columns, cmd)
}

func startInTerminal(t *testing.T, columns int, cmd *exec.Cmd) *terminal {
	t.Helper()
	keys, tty, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = keys.Close() })
	require.NoError(t, pty.Setsize(keys, &pty.Winsize{Rows: 40, Cols: uint16(columns)}))

	cmd.Stdin, cmd.Stderr = tty, tty
	if cmd.Stdout == nil {
		cmd.Stdout = tty
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that Ctrl-C reaches it
	require.NoError(t, cmd.Start())
	require.NoError(t, tty.Close())
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	term := &terminal{t: t, cmd: cmd, keys: keys, screen: vt.NewEmulator(columns, 40)}
	term.changed = sync.NewCond(&term.mu)
	go term.watch()
	return term
}

// watch shows what the program writes, until it has ended.
func (term *terminal) watch() {
	buf := make([]byte, 32<<10)
	for {
		n, err := term.keys.Read(buf)
		term.mu.Lock()
		term.raw.Write(buf[:n])
		_, _ = term.screen.Write(buf[:n])
		term.over = err != nil
		term.changed.Broadcast()
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// press sends keys.
func (term *terminal) press(keys string) {
	term.t.Helper()
	_, err := io.WriteString(term.keys, keys)
	require.NoError(term.t, err)
}

// until waits for the screen to show what is wanted, and returns what it shows.
func (term *terminal) until(what string, shown func(screen string) bool) string {
	term.t.Helper()
	end := time.Now().Add(patience)
	wake := time.AfterFunc(patience, term.changed.Broadcast)
	defer wake.Stop()
	term.mu.Lock()
	defer term.mu.Unlock()
	for {
		screen := term.text()
		switch {
		case shown(screen):
			return screen
		case term.over:
			require.FailNow(term.t, "the program ended without "+what, "%s", screen)
		case time.Now().After(end):
			require.FailNow(term.t, "the screen does not show "+what, "%s", screen)
		}
		term.changed.Wait()
	}
}

// shows waits for a text that matches on the screen, and returns that text.
func (term *terminal) shows(pattern string) string {
	term.t.Helper()
	re := regexp.MustCompile(pattern)
	return re.FindString(term.until(pattern, re.MatchString))
}

// exits waits for the end of the program, which must have the given exit code, and returns
// what is on the screen then.
func (term *terminal) exits(code int) string {
	term.t.Helper()
	screen := term.wait()
	require.Equal(term.t, code, term.cmd.ProcessState.ExitCode(), "%s", screen)
	return screen
}

// wait waits for the end of the program, and returns what is on the screen then.
func (term *terminal) wait() string {
	term.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- term.cmd.Wait() }()
	select {
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			require.NoError(term.t, err)
		}
	case <-time.After(patience):
		require.FailNow(term.t, "the program goes on", "%s", term.written())
	}
	term.mu.Lock()
	defer term.mu.Unlock()
	for !term.over {
		term.changed.Wait()
	}
	return term.text()
}

// text is what the screen shows, without the blanks at its end.
func (term *terminal) text() string { return strings.TrimRight(term.screen.String(), " \n") }

// written is all that was written to the terminal, with its escape sequences.
func (term *terminal) written() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.raw.String()
}

func lines(screen string) []string { return strings.Split(screen, "\n") }
