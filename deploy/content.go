package deploy

import (
	"context"
	"io"
	"os"

	"github.com/connector-customizers/customizers/internal/archive"
)

// A content is the zip archive to deploy.
type content struct {
	*archive.File

	warning   string   // why the service may not run it
	skipped   []string // names at the top of the folder that are not in it
	temporary string   // the file to remove, if there is one
}

// open opens a zip file, or zips a folder into a temporary file.
func open(ctx context.Context, path string, opts Options) (c *content, err error) {
	c = &content{}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		err = c.zip(ctx, path, opts)
	default:
		c.File, err = archive.Open(ctx, path)
	}
	if err == nil {
		c.warning, err = c.Look(ctx, path)
		if opts.AllowMissingIndex {
			err = ctx.Err()
		}
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *content) close() {
	if c.File != nil {
		_ = c.Close()
	}
	if c.temporary != "" {
		_ = os.Remove(c.temporary)
	}
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
//     a backslash or control characters;
//   - has data that its directory does not list, or a file with two different names.
func Digest(zip io.ReaderAt, size int64) (string, error) { return archive.Digest(zip, size) }
