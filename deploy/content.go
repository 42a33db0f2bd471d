package deploy

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/connector-customizers/customizers"
)

// A content is what is to be deployed.
type content struct {
	file      *os.File
	size      int64
	digest    string
	temporary bool
}

// open opens a zip file, or zips a folder into a temporary one, without the record if that
// is in it.
func open(ctx context.Context, path, record string) (*content, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the content can't be read: %w", customizers.ErrInvalidArgument, err)
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is neither a file nor a folder", customizers.ErrInvalidArgument, path)
	}
	c := &content{temporary: info.IsDir()}
	if c.temporary {
		c.file, err = os.CreateTemp("", "customizer-*.zip")
	} else {
		c.file, err = os.Open(path) //nolint:gosec // the caller's own file
	}
	if err != nil {
		return nil, err
	}
	if c.temporary {
		var own []os.FileInfo
		for _, name := range []string{c.file.Name(), record} {
			if info, err := os.Stat(name); err == nil {
				own = append(own, info)
			}
		}
		err = zipTo(ctx, c.file, path, own)
	}
	if err == nil {
		info, err = c.file.Stat()
	}
	if err == nil {
		c.size = info.Size()
		c.digest, err = digest(ctx, c.file, c.size)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %s: %w", customizers.ErrInvalidArgument, path, err)
		}
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// archive reads the content from its start.
func (c *content) archive() io.Reader { return io.NewSectionReader(c.file, 0, c.size) }

func (c *content) close() {
	_ = c.file.Close()
	if c.temporary {
		_ = os.Remove(c.file.Name())
	}
}

// Digest is the SHA-256 of the names and contents of a zip archive's files, in
// hexadecimal. It does not depend on their order, times and permissions, nor on how they
// are compressed, so it is the same for the same content however it was zipped. The
// whole archive is read, and one that is damaged gives an error.
func Digest(archive io.ReaderAt, size int64) (string, error) {
	return digest(context.Background(), archive, size)
}

func digest(ctx context.Context, archive io.ReaderAt, size int64) (string, error) {
	z, err := zip.NewReader(archive, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return "", fmt.Errorf("this is not a zip archive: %w", err)
	}
	files := slices.DeleteFunc(z.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, "/") })
	if len(files) == 0 {
		return "", errors.New("the archive has no files")
	}
	slices.SortStableFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	all := sha256.New()
	for _, f := range files {
		if ctx.Err() != nil {
			return "", ended(ctx)
		}
		sum, err := sumOf(ctx, f)
		switch {
		case ctx.Err() != nil:
			return "", ended(ctx)
		case err != nil:
			return "", fmt.Errorf("%s in the archive is damaged: %w", f.Name, err)
		}
		_ = binary.Write(all, binary.BigEndian, uint64(len(f.Name))) // so that no two lists of names and sums are written alike
		_, _ = io.WriteString(all, f.Name)
		_, _ = all.Write(sum)
	}
	return hexOf(all), nil
}

func sumOf(ctx context.Context, f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, &until{ctx, r}); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// until is a reader that ends with a context.
type until struct {
	ctx context.Context //nolint:containedctx // of the one copy that it is for
	io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, ended(u.ctx)
	}
	return u.Reader.Read(p)
}

// ended is the end of ctx, with its cause in words only: what a cause wraps is not what
// happened here.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause.Error() != ctx.Err().Error() {
		return fmt.Errorf("%w: %s", ctx.Err(), cause.Error())
	}
	return ctx.Err()
}
