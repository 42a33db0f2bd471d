package deploy

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// A content is the zip archive to deploy.
type content struct {
	file      *os.File
	temporary bool
	size      int64
	digest    string
	skipped   []string
}

// open opens a zip file, or zips a folder without the record into a temporary file.
func open(ctx context.Context, path, record string) (*content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	c := &content{temporary: info.IsDir()}
	switch {
	case c.temporary:
		c.file, c.skipped, err = zipFolder(ctx, path, record)
	case info.Mode().IsRegular():
		c.file, err = os.Open(path) //nolint:gosec // the caller's own file
	default:
		err = errors.New("neither a file nor a folder")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.size, err = c.file.Seek(0, io.SeekEnd)
	if err == nil {
		c.digest, err = Digest(c.file, c.size)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// archive returns a reader of the content from its start.
func (c *content) archive() io.Reader { return io.NewSectionReader(c.file, 0, c.size) }

func (c *content) close() {
	_ = c.file.Close()
	if c.temporary {
		_ = os.Remove(c.file.Name())
	}
}

// Digest returns the SHA-256 of the names and contents of a zip archive's files, in
// hexadecimal. It does not depend on their order, times, permissions and compression, so
// the same content has the same digest, whatever program zipped it. Digest reads the
// whole archive and returns an error if it is damaged.
func Digest(archive io.ReaderAt, size int64) (string, error) {
	z, err := zip.NewReader(archive, size)
	if err != nil {
		return "", fmt.Errorf("not a zip archive: %w", err)
	}
	files := slices.DeleteFunc(z.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, "/") })
	if len(files) == 0 {
		return "", errors.New("the archive has no files")
	}
	slices.SortStableFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	all := sha256.New()
	for _, f := range files {
		sum, err := sumOf(f)
		if err != nil {
			return "", fmt.Errorf("%s in the archive is damaged: %w", f.Name, err)
		}
		_, _ = fmt.Fprintf(all, "%q %x\n", f.Name, sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func sumOf(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, r) //nolint:gosec // the caller's own archive
	return sum.Sum(nil), err
}
