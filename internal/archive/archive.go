// Package archive opens, checks and reads the zip archives that the SDK uploads. It detects a
// file that changes between the check and the end of the upload.
package archive

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
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

// Open opens and checks the named archive. It refuses anything but a regular file: opening a
// FIFO would block until it has a writer.
func Open(name string) (*File, error) {
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
	a, err := New(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

// New checks the archive in f. If it fails, it closes f.
func New(f *os.File) (*File, error) {
	a := &File{file: f, read: sha256.New()}
	var err error
	if a.size, err = f.Seek(0, io.SeekEnd); err == nil {
		a.sum, err = a.hash() // first, so that Verify detects a change during Digest
	}
	if err == nil {
		a.Digest, err = Digest(f, a.size)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return a, nil
}

// Close closes the file.
func (a *File) Close() error { return a.file.Close() }

// Reader returns a reader of the archive. It implements io.Seeker, so a retry can rewind it.
func (a *File) Reader() io.Reader { return io.NewSectionReader(a, 0, a.size) }

// ErrNoIndex reports that an archive lacks the file that the service runs.
var ErrNoIndex = errors.New("no index.js at the root")

// Look checks that the archive has the file that the service runs: index.js at the root.
// Otherwise, the error is ErrNoIndex; it lists the files that were found and suggests another
// path than source, the zip file or folder that the archive was made from. The warning is set
// if index.js does not mention connectorCustomizer, which it must export.
func (a *File) Look(source string) (warning string, err error) {
	z, err := zip.NewReader(a.file, a.size)
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range z.File {
		name := path.Clean(f.Name)
		if name == "index.js" {
			return checkIndex(f)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	better := meant(names)
	info, err := os.Stat(source)
	advice := "want the folder or the zip file of a build"
	switch {
	case slices.Contains(names, "package.json") && better != "dist":
		advice = "run 'npm run build' and use its folder dist"
	case better != "" && err == nil && info.IsDir():
		advice = "use " + filepath.Join(source, filepath.FromSlash(better))
	case better != "":
		advice = "unpack it and use " + better
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return "", fmt.Errorf("%s has %w, only %s (%s)", source, ErrNoIndex, strings.Join(names, ", "), advice)
}

// meant returns the folder or zip file in an archive that the user probably meant, or "".
func meant(names []string) string {
	if slices.Contains(names, "dist/index.js") {
		return "dist"
	}
	for _, name := range names {
		if path.Base(name) == "index.js" {
			return path.Dir(name)
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".zip") {
			return name
		}
	}
	return ""
}

func checkIndex(f *zip.File) (warning string, err error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	var tail []byte // of the previous chunk, as two chunks may share the word
	const word = "connectorCustomizer"
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		chunk := slices.Concat(tail, buf[:n])
		if bytes.Contains(chunk, []byte(word)) {
			return "", nil
		}
		tail = chunk[max(0, len(chunk)-len(word)):]
		if err == io.EOF {
			return "index.js does not mention connectorCustomizer, which the service runs", nil
		}
		if err != nil {
			return "", err
		}
	}
}

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
func (a *File) Verify() (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := a.read.Sum(nil)
	if a.next != a.size {
		sum, err = a.hash()
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrArchiveChanged, err)
	case !bytes.Equal(sum, a.sum):
		return ErrArchiveChanged
	}
	return nil
}

// hash returns the SHA-256 of the file's current bytes.
func (a *File) hash() ([]byte, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, io.NewSectionReader(a.file, 0, a.size))
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
	seen := map[string]bool{}
	for _, f := range z.File {
		if problem := checkEntry(f); problem != "" {
			return "", fmt.Errorf("%q in the archive %s", f.Name, problem)
		}
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		name := path.Clean(f.Name)
		if seen[name] {
			return "", fmt.Errorf("%q is in the archive twice", f.Name)
		}
		seen[name] = true
		files = append(files, f)
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

// checkEntry returns the reason to refuse an entry, or "". It accepts names that differ only
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
