package deploy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// zipFolder zips the files of a folder into f, and returns the names that it skipped. The same
// names and contents give the same bytes: files are sorted, and all have the date 1980-01-01
// and the mode 0644.
func zipFolder(ctx context.Context, f io.Writer, folder, record string) (skipped []string, err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	names, skipped, err := list(root, record)
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, errors.New("no files to deploy (*.zip and dot files at the top of a folder are left out)")
	}
	z := zip.NewWriter(f)
	for _, name := range names {
		if err := errors.Join(ctx.Err(), addFile(z, root, name)); err != nil {
			return nil, err
		}
	}
	return skipped, z.Close()
}

// list returns the files to zip, and the names at the top of the folder that are left out: dot
// files, and zip files, because npm run pack-zip writes one next to index.js.
func list(root *os.Root, record string) (names, skipped []string, err error) {
	recordInfo, _ := os.Stat(record) // the record may be in the folder
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		top := !strings.Contains(name, "/")
		switch {
		case err != nil || name == ".":
			return err
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
			return fmt.Errorf("%s links to nothing, or out of the folder", name)
		case err != nil:
			return err
		case os.SameFile(info, recordInfo):
			return nil
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is not a file, or links to a folder", name)
		}
		names = append(names, name)
		return nil
	})
	return names, skipped, err
}

func addFile(z *zip.Writer, root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(w, f)
	}
	return err
}
