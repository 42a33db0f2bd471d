package deploy

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/connector-customizers/customizers/internal/archive"
)

// A content is the zip archive to deploy.
type content struct {
	*archive.File

	skipped []string // names at the top of the folder that are not in it
	remove  func()   // removes the temporary file, if there is one
}

// open opens a zip file, or zips a folder without the record into a temporary file.
func open(ctx context.Context, path, record string) (c *content, err error) {
	c = &content{remove: func() {}}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		c.File, err = archive.Open(path)
		return c, err
	}
	f, remove, err := createTemp()
	if err == nil {
		c.remove = remove
		c.skipped, err = zipFolder(ctx, f, path, record)
	}
	if err == nil {
		c.File, err = archive.New(f)
	}
	if err != nil {
		_ = f.Close()
		c.remove()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// createTemp creates a temporary file. If the system can remove an open file, it does so at
// once, so that no file is left however the program ends.
func createTemp() (f *os.File, remove func(), err error) {
	f, err = os.CreateTemp("", "customizer-*.zip")
	if err != nil {
		return nil, nil, err
	}
	if os.Remove(f.Name()) == nil {
		return f, func() {}, nil
	}
	return f, func() { _ = os.Remove(f.Name()) }, nil // Windows, where it must be closed first
}

func (c *content) close() {
	_ = c.Close()
	c.remove()
}

// Digest returns the SHA-256 of the names and contents of a zip archive's files, in
// hexadecimal. It does not depend on their order, times, permissions and compression, so the
// same content has the same digest, whatever program zipped it. Digest reads the whole
// archive. It returns an error if the archive
//
//   - is not a zip archive, is damaged, or has no files;
//   - is encrypted;
//   - has a file that is compressed with a method other than Deflate;
//   - has an entry that is neither a file nor a folder;
//   - has the same name twice; names that differ in case are different;
//   - has an unsafe name: one that is absolute, begins with a drive letter, or contains "..",
//     a backslash or control characters.
func Digest(zip io.ReaderAt, size int64) (string, error) { return archive.Digest(zip, size) }
