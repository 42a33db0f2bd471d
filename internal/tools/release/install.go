package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// checkInstall runs `go install` of the command at the version, as a user will, with the
// commit served from a folder in place of the module proxy.
func (d *dist) checkInstall(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "release-install-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	proxy := filepath.Join(dir, "proxy")
	if err := d.serve(proxy); err != nil {
		return err
	}
	// A module cache of its own, since the version may become another. What the usual one
	// has need not be downloaded again.
	env, err := command(ctx, d.source, "go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		return err
	}
	cache, proxies, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	cmd := command(ctx, dir, "go", "install", d.module+"/cmd/customizers@"+d.version)
	cmd.Env = append(cmd.Env, "GOBIN="+dir, "GOMODCACHE="+filepath.Join(dir, "cache"), "GOFLAGS=-modcacherw -trimpath", "GOSUMDB=off",
		"CGO_ENABLED=0", "GONOPROXY=none", "GOPROXY=file://"+proxy+",file://"+filepath.Join(cache, "cache", "download")+","+proxies)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install: %w: %s", err, out)
	}
	out, err := command(ctx, dir, filepath.Join(dir, "customizers"), "version", "-o", "id").Output()
	if err != nil {
		return fmt.Errorf("customizers version: %w", err)
	}
	if !strings.Contains(string(out), d.version) {
		return fmt.Errorf("customizers version writes %q, and should write %s", out, d.version)
	}
	return nil
}

// serve makes a folder what a module proxy has of the version.
func (d *dist) serve(proxy string) error {
	path, err := module.EscapePath(d.module)
	if err != nil {
		return err
	}
	dir := filepath.Join(proxy, path, "@v")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(d.source, "go.mod"))
	if err != nil {
		return err
	}
	info := fmt.Sprintf(`{"Version": %q, "Time": %q}`, d.version, d.date)
	for name, data := range map[string][]byte{"list": []byte(d.version + "\n"), d.version + ".mod": mod, d.version + ".info": []byte(info)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, d.version+".zip"))
	if err != nil {
		return err
	}
	if err := zip.CreateFromVCS(f, module.Version{Path: d.module, Version: d.version}, d.source, d.commit, ""); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
