// Package archive opens, checks and reads the zip archives that the SDK uploads. It detects a
// file that changes between the check and the end of the upload.
package archive

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// ErrArchiveChanged reports that an archive changed after it was checked.
var ErrArchiveChanged = errors.New("the archive changed after it was checked")

// A File is a checked zip archive.
type File struct {
	Digest string // as the function Digest returns it

	file *os.File
	size int64
	sum  []byte // SHA-256 of the checked bytes

	mu   sync.Mutex
	read hash.Hash // SHA-256 of the bytes before next in the last pass
	next int64
}

// Open opens and checks the named archive. It rejects anything but a regular file: opening a
// FIFO would block until it has a writer.
func Open(ctx context.Context, name string) (*File, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: zip it, or use 'customizers deploy'", name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is neither a file nor a folder", name)
	}
	f, err := os.Open(name) //nolint:gosec // the caller's own file
	if err != nil {
		return nil, err
	}
	a, err := New(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

// New checks the archive in f. If it fails, it closes f. It ends with its context, because an
// archive may take hours to unpack.
func New(ctx context.Context, f *os.File) (*File, error) {
	a := &File{file: f, read: sha256.New()}
	var err error
	if a.size, err = f.Seek(0, io.SeekEnd); err == nil {
		a.sum, err = a.hash(ctx) // first, so that Verify detects a change during Digest
	}
	if err == nil {
		a.Digest, err = Digest(Reader{ctx, f}, a.size)
	}
	if err != nil {
		_ = f.Close()
		return nil, cmp.Or(ctx.Err(), err)
	}
	return a, nil
}

// A Reader fails after its context has ended.
type Reader struct {
	Context context.Context //nolint:containedctx // io.ReaderAt has no parameter for it
	io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (r Reader) ReadAt(p []byte, offset int64) (int, error) {
	if err := r.Context.Err(); err != nil {
		return 0, err
	}
	return r.ReaderAt.ReadAt(p, offset)
}

// Close closes the file.
func (a *File) Close() error { return a.file.Close() }

// Reader returns a reader of the archive. It implements io.Seeker, so a retry can rewind it.
func (a *File) Reader() io.Reader { return io.NewSectionReader(a, 0, a.size) }

// ReadAt implements io.ReaderAt. A read at offset 0 starts a new pass. Verify checks the bytes
// of the last pass.
func (a *File) ReadAt(p []byte, offset int64) (int, error) {
	n, err := a.file.ReadAt(p, offset)
	a.mu.Lock()
	defer a.mu.Unlock()
	if offset == 0 {
		a.read.Reset()
		a.next = 0
	}
	if offset == a.next {
		_, _ = a.read.Write(p[:n])
		a.next += int64(n)
	}
	return n, err
}

// Verify compares the bytes of the last pass with the checked bytes. If that pass did not read
// the whole archive, Verify compares the file's current bytes. The error of a difference
// matches ErrArchiveChanged.
func (a *File) Verify(ctx context.Context) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := a.read.Sum(nil)
	if a.next != a.size {
		sum, err = a.hash(ctx)
	}
	switch {
	case err != nil && ctx.Err() != nil: // the caller's next request fails
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", ErrArchiveChanged, err)
	case !bytes.Equal(sum, a.sum):
		return ErrArchiveChanged
	}
	return nil
}

// hash returns the SHA-256 of the file's current bytes.
func (a *File) hash(ctx context.Context) ([]byte, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, io.NewSectionReader(Reader{ctx, a.file}, 0, a.size))
	return sum.Sum(nil), err
}

// Digest returns the SHA-256 of the names and contents of a zip archive's files, in
// hexadecimal. It does not depend on their order, times, permissions or compression. It fails
// for a damaged archive, and for one that different programs may unpack differently.
func Digest(archive io.ReaderAt, size int64) (string, error) {
	z, err := zip.NewReader(archive, size)
	if err != nil {
		if errors.Is(err, zip.ErrFormat) {
			return "", errors.New("not a zip archive")
		}
		return "", err
	}
	var files []*zip.File
	seen := map[string]bool{} // whether it is a folder
	for _, f := range z.File {
		if problem := checkEntry(f); problem != "" {
			return "", fmt.Errorf("%q in the archive %s", f.Name, problem)
		}
		name, folder := path.Clean(f.Name), strings.HasSuffix(f.Name, "/")
		if before, ok := seen[name]; ok && (!before || !folder) {
			return "", fmt.Errorf("%q is in the archive twice", f.Name)
		}
		seen[name] = folder
		if !folder {
			files = append(files, f)
		}
	}
	if err := checkLayout(archive, size, z.File); err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errors.New("the archive has no files")
	}
	slices.SortStableFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	all := sha256.New()
	for _, f := range files {
		sum, err := hashEntry(f)
		if err != nil {
			return "", fmt.Errorf("%s in the archive is damaged: %w", f.Name, err)
		}
		_, _ = fmt.Fprintf(all, "%q %x\n", f.Name, sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

var drive = regexp.MustCompile(`^[A-Za-z]:`)

// checkEntry returns the reason to reject an entry, or "". It accepts names that differ only
// in case: they are two files on the service's system.
func checkEntry(f *zip.File) string {
	methods := map[uint16]string{9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
	switch {
	case f.Name == "", strings.HasPrefix(f.Name, "/"), strings.Contains(f.Name, `\`), drive.MatchString(f.Name),
		slices.Contains(strings.Split(f.Name, "/"), ".."), strings.ContainsFunc(f.Name, unicode.IsControl):
		return `has an unsafe name (want a relative path without "..", backslashes or control characters)`
	case !f.Mode().IsRegular() && !f.Mode().IsDir():
		return "is neither a file nor a folder"
	case f.Flags&1 != 0:
		return "is encrypted"
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return "is compressed with " + cmp.Or(methods[f.Method], fmt.Sprintf("method %d", f.Method)) + " (want Deflate, or no compression)"
	}
	return ""
}

// hashEntry returns the SHA-256 of an entry's content.
func hashEntry(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, r) //nolint:gosec // the caller's own archive
	return sum.Sum(nil), err
}
