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

// timeout is how long a test waits for an event. Only a failing test waits this long.
const timeout = 20 * time.Second

// The bytes that a terminal sends for keys.
const (
	enter = "\r"
	ctrlC = "\x03"
	ctrlD = "\x04"
)

// A terminal runs a program on a pseudo-terminal and draws its output on a screen.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	ptmx *os.File // the terminal's end of the pseudo-terminal

	mu      sync.Mutex
	changed *sync.Cond
	screen  *vt.Emulator
	raw     bytes.Buffer // all output
	closed  bool         // no more output follows
}

// runInTerminal runs the program in a terminal. If stdout is not nil, it replaces the terminal
// as standard output.
func runInTerminal(t *testing.T, columns int, env []string, stdout io.Writer, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir, cmd.Stdout = env, t.TempDir(), stdout
	return startInTerminal(t, columns, cmd)
}

func startInTerminal(t *testing.T, columns int, cmd *exec.Cmd) *terminal {
	t.Helper()
	ptmx, tty, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = ptmx.Close() })
	require.NoError(t, pty.Setsize(ptmx, &pty.Winsize{Rows: 40, Cols: uint16(columns)}))

	cmd.Stdin = tty
	if cmd.Stdout == nil {
		cmd.Stdout = tty
	}
	if cmd.Stderr == nil {
		cmd.Stderr = tty
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that Ctrl-C reaches the program
	require.NoError(t, cmd.Start())
	require.NoError(t, tty.Close())
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	term := &terminal{t: t, cmd: cmd, ptmx: ptmx, screen: vt.NewEmulator(columns, 40)}
	term.changed = sync.NewCond(&term.mu)
	go term.copyOutput()
	return term
}

// copyOutput copies the program's output to the screen until the program exits.
func (term *terminal) copyOutput() {
	buf := make([]byte, 32<<10)
	for {
		n, err := term.ptmx.Read(buf)
		term.mu.Lock()
		term.raw.Write(buf[:n])
		_, _ = term.screen.Write(buf[:n])
		term.closed = err != nil
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
	_, err := io.WriteString(term.ptmx, keys)
	require.NoError(term.t, err)
}

// waitUntil waits until the screen meets the condition, and returns the screen. what names the
// condition in a failure.
func (term *terminal) waitUntil(what string, condition func(screen string) bool) string {
	term.t.Helper()
	deadline := time.Now().Add(timeout)
	wake := time.AfterFunc(timeout, term.changed.Broadcast)
	defer wake.Stop()
	term.mu.Lock()
	defer term.mu.Unlock()
	for {
		screen := term.text()
		switch {
		case condition(screen):
			return screen
		case term.closed:
			require.FailNow(term.t, "the program exited before the screen showed "+what, "%s", screen)
		case time.Now().After(deadline):
			require.FailNow(term.t, "the screen does not show "+what, "%s", screen)
		}
		term.changed.Wait()
	}
}

// waitFor waits until the screen matches the pattern, and returns the match.
func (term *terminal) waitFor(pattern string) string {
	term.t.Helper()
	re := regexp.MustCompile(pattern)
	return re.FindString(term.waitUntil(pattern, re.MatchString))
}

// waitExit waits for the program to exit and checks its exit code. It returns the final
// screen.
func (term *terminal) waitExit(code int) string {
	term.t.Helper()
	screen := term.wait()
	require.Equal(term.t, code, term.cmd.ProcessState.ExitCode(), "%s", screen)
	return screen
}

// wait waits for the program to exit and returns the final screen.
func (term *terminal) wait() string {
	term.t.Helper()
	exit := make(chan error, 1)
	go func() { exit <- term.cmd.Wait() }()
	select {
	case err := <-exit:
		if failure := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failure) {
			require.NoError(term.t, err)
		}
	case <-time.After(timeout):
		require.FailNow(term.t, "the program did not exit", "%s", term.output())
	}
	term.mu.Lock()
	defer term.mu.Unlock()
	for !term.closed {
		term.changed.Wait()
	}
	return term.text()
}

// text returns the screen without trailing white space.
func (term *terminal) text() string { return strings.TrimRight(term.screen.String(), " \n") }

// output returns all output, including escape sequences.
func (term *terminal) output() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.raw.String()
}

func lines(screen string) []string { return strings.Split(screen, "\n") }
