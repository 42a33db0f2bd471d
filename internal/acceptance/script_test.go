package acceptance

import (
	"archive/zip"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// With -update a cmp that fails changes the script. Look at what it changed.
var update = flag.Bool("update", false, "let scripts take what the program writes")

// TestScripts runs testdata/script, which says of each script what it is about. On top
// of testscript's own commands there are
//
//	sandbox [-as PREFIX] [flags]   start a sandbox, which sets SAIL_BASE_URL and so on,
//	                               or PREFIX_BASE_URL; its log goes to sandbox.log
//	sandbox stop, sandbox kill     end the last one, by Ctrl-C or at once
//	exits CODE PROGRAM [args]      run a program that is to exit with this code
//	expand FILE...                 replace the variables that files mention
//	zip ARCHIVE FILE...            make a zip archive
//	pipelines                      write the shell of docs/pipelines.md to files
//
// Each script has testdata/tenant.json, the state of a sandbox whose IDs are known.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("testdata", "script"),
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, environ(filepath.Join(env.WorkDir, "home"))...)
			env.Values[running{}] = new([]*sandbox)
			tenant, err := os.ReadFile(filepath.Join("testdata", "tenant.json"))
			return errors.Join(err,
				os.MkdirAll(filepath.Join(env.WorkDir, "home"), 0o700),
				os.WriteFile(filepath.Join(env.WorkDir, "tenant.json"), tenant, 0o600))
		},
		Condition: func(cond string) (bool, error) {
			return false, errors.New("there is no condition " + cond)
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

// running is the key of the sandboxes that a script has started.
type running struct{}

func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("a sandbox that does not start is for exits")
	}
	all, _ := ts.Value(running{}).(*[]*sandbox)
	if len(args) == 1 && (args[0] == "stop" || args[0] == "kill") {
		if len(*all) == 0 {
			ts.Fatalf("no sandbox runs")
		}
		s := (*all)[len(*all)-1]
		*all = (*all)[:len(*all)-1]
		if args[0] == "kill" {
			s.kill()
		} else {
			ts.Check(s.stop())
		}
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
		ts.Fatalf("exit code %d, not %d", got, want)
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
