package deploy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/connector-customizers/customizers/internal/archive"
)

// zip zips the files of a folder into a temporary file. The same names and contents give the
// same bytes: files are sorted, and all have the date 1980-01-01 and the mode 0644.
func (c *content) zip(ctx context.Context, folder string, opts Options) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if !opts.AllowMissingIndex {
		if err := checkIndex(root, folder); err != nil { // before a project's node_modules is zipped
			return err
		}
	}
	names, skipped, err := list(ctx, root, opts.Record)
	if err == nil && len(names) == 0 {
		err = errors.New("no files to deploy (*.zip and dot files at the top of a folder are skipped)")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	c.skipped = skipped
	f, err := c.createTemp()
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	for _, name := range names {
		if err = addFile(ctx, z, root, name); err != nil {
			break
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		_ = f.Close()
		if p, ok := errors.AsType[*fs.PathError](err); ok && p.Path == f.Name() {
			return inTemporary(err)
		}
		return fmt.Errorf("%s: %w", folder, err)
	}
	c.File, err = archive.New(ctx, f)
	return err
}

// checkIndex returns an error if there is no index.js at the top of a folder that has files.
func checkIndex(root *os.Root, folder string) error {
	if _, err := root.Lstat("index.js"); err == nil { // list rejects a link that leads nowhere
		return nil
	}
	var names []string
	for _, pattern := range []string{"[^.]*", "[^.]*/index.js", "[^.]*/*.zip"} {
		found, _ := fs.Glob(root.FS(), pattern)
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil
	}
	return archive.NoIndex(folder, true, names)
}

// list returns the files to zip, and the names at the top of the folder that are skipped: dot
// files, and zip files, because npm run pack-zip writes one next to index.js.
func list(ctx context.Context, root *os.Root, record string) (names, skipped []string, err error) {
	recordInfo, _ := os.Stat(record) // the record may be in the folder
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		top := !strings.Contains(name, "/")
		switch {
		case err != nil || ctx.Err() != nil || name == ".":
			return errors.Join(err, ctx.Err())
		case top && (strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".zip") && !d.IsDir()):
			skipped = append(skipped, name)
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		info, err := root.Stat(name) // fails for a link out of the folder
		switch {
		case err != nil && d.Type()&fs.ModeSymlink != 0:
			return fmt.Errorf("the symbolic link %s is broken or leads out of the folder", name)
		case err != nil:
			return err
		case os.SameFile(info, recordInfo):
			return nil
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is not a regular file, or is a link to a folder", name)
		}
		names = append(names, name)
		return nil
	})
	return names, skipped, err
}

func addFile(ctx context.Context, z *zip.Writer, root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(w, io.NewSectionReader(archive.Reader{Context: ctx, ReaderAt: f}, 0, math.MaxInt64))
	}
	return err
}

var errTemporary = errors.New("the archive can't be written to the folder for temporary files")

// inTemporary returns err as an error that matches errTemporary and names the variable to set.
func inTemporary(err error) error {
	variable := "TMPDIR"
	if runtime.GOOS == "windows" {
		variable = "TMP"
	}
	return fmt.Errorf("%w, %s (set %s to use another): %w", errTemporary, os.TempDir(), variable, err)
}

// createTemp creates a temporary file. If the system can remove an open file, it does so at
// once, so that no file is left however the program ends.
func (c *content) createTemp() (*os.File, error) {
	f, err := os.CreateTemp("", "customizer-*.zip")
	if err != nil {
		return nil, inTemporary(err)
	}
	if os.Remove(f.Name()) != nil { // Windows, where it must be closed first
		c.temporary = f.Name()
	}
	return f, nil
}
