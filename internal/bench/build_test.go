package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	plainProgram = `package main

import (
	"encoding/json"
	"log"
	"net/http"
)

func main() {
	resp, err := http.Get("https://acme.api.identitynow.com/v2024/connector-customizers")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var page []struct{ ID string }
	log.Print(json.NewDecoder(resp.Body).Decode(&page), page)
}
`
	sdkProgram = `package main

import (
	"context"
	"log"

	"github.com/connector-customizers/customizers"
)

func main() {
	c, err := customizers.NewFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	for item, err := range c.All(context.Background(), customizers.ListOptions{}) {
		log.Print(err, item.ID)
	}
}
`
	plainModule = "module example.com/program\n\ngo 1.25.0\n"
	sdkModule   = plainModule + "\nrequire " + module + " v0.0.0\n\nreplace " + module + " => "
	module      = "github.com/connector-customizers/customizers"
)

// run runs the go command, or another, and returns what it prints.
func run(b *testing.B, dir string, env []string, name string, args ...string) []byte {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, "GOWORK=off", "GOFLAGS=-mod=mod")...)
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			b.Logf("%s", failed.Stderr)
		}
		b.Fatalf("%s %v: %v", name, args, err)
	}
	return out
}

// A cold build of a program in a module of its own, and what comes of it.
func BenchmarkBuild(b *testing.B) {
	root, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	for _, side := range []struct{ name, program, module string }{
		{"plain", plainProgram, plainModule},
		{"sdk", sdkProgram, sdkModule + root + "\n"},
	} {
		b.Run("by="+side.name, func(b *testing.B) {
			dir := b.TempDir()
			for name, text := range map[string]string{"main.go": side.program, "go.mod": side.module} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			binary := filepath.Join(dir, "program")
			run(b, dir, nil, "go", "build", "-o", binary) // downloads, and completes the module files
			for b.Loop() {
				b.StopTimer()
				env := []string{"GOCACHE=" + b.TempDir()}
				b.StartTimer()
				run(b, dir, env, "go", "build", "-o", binary)
			}
			info, err := os.Stat(binary)
			if err != nil {
				b.Fatal(err)
			}
			packages := run(b, dir, nil, "go", "list", "-deps", "-f", "{{if not .Standard}}x{{end}}", ".")
			b.ReportMetric(float64(info.Size()), "binary-B")
			b.ReportMetric(float64(bytes.Count(run(b, dir, nil, "go", "version", "-m", binary), []byte("\tdep\t"))), "modules")
			b.ReportMetric(float64(bytes.Count(packages, []byte("x"))-1), "packages")
		})
	}
}

// How long the command takes to start and to end, beside a program that does nothing
// but link net/http, both built without cgo, as releases are.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	plain, command := filepath.Join(dir, "plain"), filepath.Join(dir, "customizers")
	text := []byte("package main\n\nimport _ \"net/http\"\n\nfunc main() {}\n")
	if err := os.WriteFile(filepath.Join(dir, "main.go"), text, 0o600); err != nil {
		b.Fatal(err)
	}
	env := []string{"CGO_ENABLED=0"}
	run(b, dir, env, "go", "build", "-o", plain, "main.go")
	run(b, "../..", env, "go", "build", "-o", command, "./cmd/customizers")
	compare(b, func() error {
		return exec.CommandContext(b.Context(), plain).Run()
	}, func() error {
		return exec.CommandContext(b.Context(), command, "version").Run()
	})
}
