package acceptance

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program is the path of the command, built as users build it.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // most tests wait: for a rate limit, a person, a browser
		panic(err)
	}
	os.Exit(withProgram(m))
}

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "acceptance")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	install := exec.Command("go", "install", "./cmd/customizers")
	install.Dir = "../.."
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go install: %v\n%s", err, out)
		return 1
	}
	program = filepath.Join(dir, "customizers")
	return m.Run()
}

// environ is that of a user with the given home, and with nothing set that could lead
// to a tenant: neither SAIL_ variables nor a keyring.
func environ(home string, more ...string) []string {
	return append([]string{
		"HOME=" + home,
		"XDG_CACHE_HOME=" + filepath.Join(home, ".cache"),
		"XDG_CONFIG_HOME=" + filepath.Join(home, ".config"),
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + filepath.Join(home, "no-bus"),
		"PATH=" + filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"TERM=xterm-256color",
		"LC_ALL=C.UTF-8",
	}, more...)
}

// A sandbox is the program's own, running.
type sandbox struct {
	cmd     *exec.Cmd
	exports map[string]string // what it prints to be pasted into a shell
}

// startSandbox starts a sandbox on a free port, and returns when it serves. Its
// standard error goes to log.
func startSandbox(dir string, env []string, log *os.File, args ...string) (*sandbox, error) {
	cmd := exec.Command(program, append([]string{"sandbox", "--port", "0"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, env, log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &sandbox{cmd: cmd, exports: map[string]string{}}
	lines := bufio.NewScanner(stdout)
	for len(s.exports) < 3 && lines.Scan() {
		if name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "="); ok {
			s.exports[name] = value
		}
	}
	if len(s.exports) < 3 {
		return nil, fmt.Errorf("the sandbox did not start: %w; see its log", cmd.Wait())
	}
	return s, nil
}

// stop ends a sandbox as Ctrl-C does, which must succeed.
func (s *sandbox) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// kill ends it without giving it time for anything.
func (s *sandbox) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// serve starts a sandbox for the time of a test, and returns the environment of a user
// who has pasted what it printed, and the path of its log.
func serve(t *testing.T, args ...string) (env []string, log string) {
	t.Helper()
	dir := t.TempDir()
	log = filepath.Join(dir, "sandbox.log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	env = environ(dir)
	s, err := startSandbox(dir, env, f, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	for name, value := range s.exports {
		env = append(env, name+"="+value)
	}
	return env, log
}
