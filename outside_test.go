package customizers_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An outsider is a module of somebody else's that requires this one.
type outsider struct {
	t   *testing.T
	dir string
}

func newOutsider(t *testing.T) outsider {
	t.Helper()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	o := outsider{t, t.TempDir()}
	o.write("go.mod", "module example.com/outside\n\ngo 1.25.0\n\n"+
		"require github.com/connector-customizers/customizers v0.0.0\n\n"+
		"replace github.com/connector-customizers/customizers => "+root+"\n")
	o.write("go.sum", string(sums))
	return o
}

func (o outsider) write(name, content string) {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	require.NoError(o.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(o.t, os.WriteFile(path, []byte(content), 0o600))
}

// run answers what a command prints to its standard output.
func (o outsider) run(env []string, name string, args ...string) string {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = o.dir
	cmd.Env = append(append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off"), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(o.t, err, "%s %s\n%s%s", name, strings.Join(args, " "), out, &stderr)
	return string(out)
}
