package acceptance

import (
	"archive/zip"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// With -update, a failing cmp rewrites its script. Review the diff.
var update = flag.Bool("update", false, "update the expected output in scripts")

// TestScripts runs the scripts in testdata/script. They may use these commands in addition to
// testscript's own:
//
//	sandbox [-as PREFIX] [flags]   start a sandbox and set SAIL_BASE_URL and so on, or
//	                               PREFIX_BASE_URL; its log goes to sandbox.log
//	sandbox -tenant FILE [flags]   start a sandbox with the content of FILE
//	sandbox stop                   interrupt the last sandbox, as Ctrl-C does
//	exits CODE PROGRAM [args]      run a program and check its exit code
//	expand FILE...                 expand environment variables in files
//	zip ARCHIVE FILE...            make a zip archive
//	pipelines                      write the scripts of docs/pipelines*.md to files
//
// Each script has tenant.json, a tenant with fixed IDs.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("testdata", "script"),
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, environ(filepath.Join(env.WorkDir, "home"))...)
			env.Values[sandboxesKey{}] = new([]*sandbox)
			tenant, err := os.ReadFile(filepath.Join("testdata", "tenant.json"))
			return errors.Join(err,
				os.MkdirAll(filepath.Join(env.WorkDir, "home"), 0o700),
				os.WriteFile(filepath.Join(env.WorkDir, "tenant.json"), tenant, 0o600))
		},
		Condition: func(cond string) (bool, error) {
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sandbox":   cmdSandbox,
			"exits":     cmdExits,
			"expand":    cmdExpand,
			"zip":       cmdZip,
			"pipelines": cmdPipelines,
		},
	})
}

// sandboxesKey is the key of a script's running sandboxes.
type sandboxesKey struct{}

func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! sandbox (use exits)")
	}
	all, _ := ts.Value(sandboxesKey{}).(*[]*sandbox)
	if len(args) == 1 && args[0] == "stop" {
		if len(*all) == 0 {
			ts.Fatalf("no running sandbox")
		}
		s := (*all)[len(*all)-1]
		*all = (*all)[:len(*all)-1]
		ts.Check(s.stop())
		return
	}
	prefix := "SAIL"
	if len(args) > 1 && args[0] == "-as" {
		prefix, args = args[1], args[2:]
	}
	log, err := os.OpenFile(ts.MkAbs("sandbox.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	ts.Check(err)
	defer func() { _ = log.Close() }()
	s, err := startSandbox(ts.MkAbs("."), environ(ts.Getenv("HOME")), log, args...)
	ts.Check(err)
	if len(*all) == 0 {
		ts.Defer(func() {
			for _, s := range *all {
				s.kill()
			}
		})
	}
	*all = append(*all, s)
	for name, value := range s.exports {
		ts.Setenv(prefix+strings.TrimPrefix(name, "SAIL"), value)
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [args]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d (want %d)", got, want)
	}
}

func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: expand FILE...")
	}
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func cmdZip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: zip ARCHIVE FILE...")
	}
	archive, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	z := zip.NewWriter(archive)
	for _, name := range args[1:] {
		f, err := z.Create(name)
		ts.Check(err)
		_, err = f.Write([]byte(ts.ReadFile(name)))
		ts.Check(err)
	}
	ts.Check(errors.Join(z.Close(), archive.Close()))
}
