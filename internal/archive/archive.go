// Package archive opens zip archives for an upload: what is uploaded is what was checked.
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
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// ErrChanged reports that an archive changed after it was checked.
var ErrChanged = errors.New("the archive changed after it was checked")

// A File is a zip archive that was checked.
type File struct {
	Digest string // see the function

	file *os.File
	size int64
	sum  []byte // SHA-256 of its bytes

	mu   sync.Mutex
	sent hash.Hash // of the bytes before next in the last pass
	next int64
}

// Open opens and checks the named archive, which must be a regular file: to open a FIFO
// would wait for a writer.
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

// New checks the archive in f. It closes f if that fails.
func New(f *os.File) (*File, error) {
	a := &File{file: f, sent: sha256.New()}
	var err error
	if a.size, err = f.Seek(0, io.SeekEnd); err == nil {
		a.sum, err = a.sumNow() // before the digest, so that a change in between is found
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

// Reader returns a reader of the archive from its start, which can be read again.
func (a *File) Reader() io.Reader { return io.NewSectionReader(a, 0, a.size) }

// Look looks for what the service runs: index.js at the root, which exports
// connectorCustomizer. The error says what is there instead, and which path to give.
func (a *File) Look() (warning string, err error) {
	z, err := zip.NewReader(a.file, a.size)
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range z.File {
		name := path.Clean(f.Name)
		if name == "index.js" {
			return lookInto(f)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	advice := "want the folder or the zip file of a build"
	switch {
	case slices.Contains(names, "dist/index.js"):
		advice = "want its folder dist/"
	case slices.Contains(names, "package.json"):
		advice = "run npm run build, then give the folder dist/"
	case slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".zip") }):
		advice = "want the zip file in it"
	case slices.ContainsFunc(names, func(n string) bool { return path.Base(n) == "index.js" }):
		advice = "want the folder that holds index.js"
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return "", fmt.Errorf("there is no index.js at the root, but %s (%s)", strings.Join(names, ", "), advice)
}

func lookInto(f *zip.File) (warning string, err error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	var tail []byte // of the chunk before, as the word may lie across two
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

// ReadAt reads the archive. A read at offset 0 begins a pass, whose bytes Verify compares.
func (a *File) ReadAt(p []byte, offset int64) (int, error) {
	n, err := a.file.ReadAt(p, offset)
	a.mu.Lock()
	defer a.mu.Unlock()
	if offset == 0 {
		a.sent.Reset()
		a.next = 0
	}
	if offset == a.next {
		_, _ = a.sent.Write(p[:n])
		a.next += int64(n)
	}
	return n, err
}

// Verify returns an error that matches ErrChanged if the bytes of the last pass are not
// those that were checked. If there was no whole pass, it compares the bytes in the file.
func (a *File) Verify() (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := a.sent.Sum(nil)
	if a.next != a.size {
		sum, err = a.sumNow()
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrChanged, err)
	case !bytes.Equal(sum, a.sum):
		return ErrChanged
	}
	return nil
}

func (a *File) sumNow() ([]byte, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, io.NewSectionReader(a.file, 0, a.size))
	return sum.Sum(nil), err
}

// Digest returns the SHA-256 of the names and contents of a zip archive's files, in
// hexadecimal. It does not depend on their order, times, permissions and compression.
// Digest returns an error for an archive that is damaged or that could be unpacked to
// something else.
func Digest(archive io.ReaderAt, size int64) (string, error) {
	z, err := zip.NewReader(archive, size)
	if err != nil {
		return "", fmt.Errorf("not a zip archive: %w", err)
	}
	var files []*zip.File
	seen := map[string]bool{}
	for _, f := range z.File {
		if why := refuse(f); why != "" {
			return "", fmt.Errorf("%q in the archive %s", f.Name, why)
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
		sum, err := sumOf(f)
		if err != nil {
			return "", fmt.Errorf("%s in the archive is damaged: %w", f.Name, err)
		}
		_, _ = fmt.Fprintf(all, "%q %x\n", f.Name, sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

var drive = regexp.MustCompile(`^[A-Za-z]:`)

// refuse returns why an entry of an archive can't be uploaded, or "". Names that differ
// only in case are two names, as they are on the service's system.
func refuse(f *zip.File) string {
	methods := map[uint16]string{9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
	switch {
	case f.Name == "", strings.HasPrefix(f.Name, "/"), strings.Contains(f.Name, `\`), drive.MatchString(f.Name),
		slices.Contains(strings.Split(f.Name, "/"), ".."), strings.ContainsFunc(f.Name, unicode.IsControl):
		return `has an unsafe name (want a relative path without "..", backslashes and control characters)`
	case !f.Mode().IsRegular() && !f.Mode().IsDir():
		return "is neither a file nor a folder"
	case f.Flags&1 != 0:
		return "is encrypted"
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return "is compressed with " + cmp.Or(methods[f.Method], fmt.Sprintf("method %d", f.Method)) + " (want Deflate, or no compression)"
	}
	return ""
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
