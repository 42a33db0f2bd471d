package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
	"github.com/connector-customizers/customizers/internal/cli"
)

// program is the path of the command, built as users build it.
var program string

func TestMain(m *testing.M) {
	if file := os.Getenv(tenantVariable); file != "" {
		if err := serveTenant(file, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // more than the cores: tests mostly wait
		panic(err)
	}
	os.Exit(buildAndRun(m))
}

// tenantVariable names a file with a tenant. If it is set, the test binary runs a sandbox with
// the content of that tenant, so that tests know its IDs.
const tenantVariable = "ACCEPTANCE_TENANT"

type tenant struct {
	ClientID, ClientSecret string
	Customizers            []customizers.Customizer
	Instances              []instances.Instance
}

func serveTenant(file string, args []string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var t tenant
	if err := json.Unmarshal(data, &t); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	args = append(args, "--customizers", "0", "--instances", "0")
	return cli.Sandbox(ctx, args, os.Stdout, os.Stderr, customizerstest.WithCredentials(t.ClientID, t.ClientSecret),
		customizerstest.WithCustomizers(t.Customizers...), customizerstest.WithInstances(t.Instances...))
}

func buildAndRun(m *testing.M) int {
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

// environ returns the environment of a user with the given home directory. It has no tenant:
// neither SAIL_ variables nor a keyring.
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

// A sandbox is a running sandbox command.
type sandbox struct {
	cmd     *exec.Cmd
	exports map[string]string // the variables that it prints for a shell
}

// startSandbox starts a sandbox on a free port and waits until it serves. Its standard error
// goes to log. If the arguments begin with -tenant FILE, the sandbox has the content of that
// file in dir.
func startSandbox(dir string, env []string, log *os.File, args ...string) (*sandbox, error) {
	cmd := exec.Command(program, append([]string{"sandbox", "--port", "0"}, args...)...)
	if len(args) > 1 && args[0] == "-tenant" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd = exec.Command(self, append([]string{"--port", "0"}, args[2:]...)...)
		env = append(env, tenantVariable+"="+args[1])
	}
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
		return nil, fmt.Errorf("sandbox did not start: %w; see its log", cmd.Wait())
	}
	return s, nil
}

// stop interrupts the sandbox as Ctrl-C does and waits for it to exit. It fails unless the
// exit code is 0.
func (s *sandbox) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// kill kills the sandbox and waits for it to exit.
func (s *sandbox) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// serve runs a sandbox until the test ends. It returns an environment with the sandbox's
// variables, and the path of its log.
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
