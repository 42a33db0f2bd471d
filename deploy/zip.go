package deploy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/connector-customizers/customizers"
)

// IgnoreFile is the name of the file, at the top of a folder, that lists what [Zip]
// leaves out, in the syntax of .dockerignore: a pattern a line, relative to the folder,
// with **, comments after # and exceptions after !.
const IgnoreFile = ".customizerignore"

// Zip writes the files of a folder to w as a zip archive. The same names and contents give
// the same bytes, whatever the system and the files' times and permissions, while the
// version of Go is the same: another may compress in another way. The files are sorted,
// dated 1980-01-01, and have the permissions 0644, as the service runs JavaScript, and
// not every system has executable files. Zip what needs others by other means.
//
// What [IgnoreFile] lists is left out, as are that file and any .git. A link to a file inside
// the folder is followed; a link that leaves the folder, a link to a folder, and what is
// neither file nor folder are refused with an error that is
// [customizers.ErrInvalidArgument], as is a folder without files.
func Zip(w io.Writer, folder string) error {
	var own []os.FileInfo // the archive itself, which may be in the folder
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			own = append(own, info)
		}
	}
	return zipTo(context.Background(), w, folder, own)
}

// zipTo is Zip without the files that are Deploy's own.
func zipTo(ctx context.Context, w io.Writer, folder string, own []os.FileInfo) (err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("%w: the folder can't be read: %w", customizers.ErrInvalidArgument, err)
	}
	defer func() { _ = root.Close() }()
	ignored, err := readIgnoreFile(root)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", customizers.ErrInvalidArgument, IgnoreFile, err)
	}
	z := zip.NewWriter(w)
	files := 0
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ended(ctx)
		case err != nil:
			return fmt.Errorf("%w: the folder can't be read: %w", customizers.ErrInvalidArgument, err)
		case path == ".":
			return nil
		case path == IgnoreFile:
			return nil
		case d.Name() == ".git" && d.IsDir():
			return fs.SkipDir
		case d.Name() == ".git": // of a worktree or a submodule
			return nil
		}
		skip, err := ignored.MatchesOrParentMatches(path)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %s: %w", customizers.ErrInvalidArgument, IgnoreFile, err)
		case skip && d.IsDir() && !ignored.Exclusions():
			return fs.SkipDir
		case skip || d.IsDir():
			return nil
		}
		info, err := root.Stat(path) // follows links, and no further than the folder
		if err == nil && slices.ContainsFunc(own, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
			return nil
		}
		files++
		return addFile(ctx, z, root, path, info, err)
	})
	if err == nil && files == 0 {
		err = fmt.Errorf("%w: the folder %s has no files to deploy", customizers.ErrInvalidArgument, folder)
	}
	if err != nil {
		return err
	}
	return z.Close()
}

func addFile(ctx context.Context, z *zip.Writer, root *os.Root, path string, info os.FileInfo, err error) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s %w (list it in %s to leave it out)", customizers.ErrInvalidArgument, path, fmt.Errorf(format, args...), IgnoreFile)
	}
	switch {
	case err != nil:
		return refuse("can't be read, or links out of the folder: %w", err)
	case info.IsDir():
		return refuse("is a link to a folder")
	case !info.Mode().IsRegular():
		return refuse("is neither a file nor a folder")
	}
	f, err := root.Open(path)
	if err != nil {
		return refuse("can't be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := &zip.FileHeader{Name: path, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	to, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(to, &until{ctx, f})
	}
	return err
}

func readIgnoreFile(root *os.Root) (*patternmatcher.PatternMatcher, error) {
	f, err := root.Open(IgnoreFile)
	if errors.Is(err, fs.ErrNotExist) {
		return patternmatcher.New(nil)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, err
	}
	return patternmatcher.New(patterns)
}
