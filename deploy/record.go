package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/connector-customizers/customizers"
)

// A record is what is kept of earlier deployments, by the ID of the customizer.
type record map[string]deployed

// deployed is the content that a version was made of.
type deployed struct {
	Name         string    `json:"name"`
	ImageVersion int64     `json:"imageVersion"`
	ImageID      string    `json:"imageID"`
	SHA256       string    `json:"sha256"`
	Time         time.Time `json:"time"`
}

// readRecord reads a record, which need not be there.
func readRecord(path string) (record, error) {
	r := record{}
	if path == "" {
		return r, nil
	}
	data, err := os.ReadFile(path) //nolint:gosec // the caller's own file
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the record of deployments %s can't be read: %w (delete it to go on without)", customizers.ErrInvalidArgument, path, err)
	}
	if r == nil {
		r = record{} // it was null
	}
	return r, nil
}

// has tells whether the newest version of c has the content with the given digest, as
// far as the record tells.
func (r record) has(c customizers.Customizer, digest string) bool {
	d, ok := r[c.ID]
	return ok && d.SHA256 == digest && d.ImageVersion == c.ImageVersion && d.ImageID == c.ImageID
}

// remember adds to the record, which is replaced at once, so that it is always whole. Of
// two programs that do so in the same instant one may be forgotten.
func remember(path string, c customizers.Customizer, digest string) error {
	r, err := readRecord(path)
	if err == nil {
		r[c.ID] = deployed{Name: c.Name, ImageVersion: c.ImageVersion, ImageID: c.ImageID, SHA256: digest, Time: time.Now().UTC().Truncate(time.Second)}
		path, err = target(path)
	}
	if err == nil {
		err = replace(path, r)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRecorded, err)
	}
	return nil
}

// target follows links, so that a record that is one stays one, to a file that need not be
// there. The folder of that is made.
func target(path string) (string, error) {
	for range 40 {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // it is no link
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // of which .. is meant
			if err != nil {
				return "", err
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return "", fmt.Errorf("%s is one of too many links", path)
}

// replace writes a record beside path, and to the disk, before it takes its place: after a
// crash either is whole.
func replace(path string, r record) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if info, statErr := os.Stat(path); statErr == nil {
		_ = f.Chmod(info.Mode().Perm()) // where the file system has permissions
	}
	enc := json.NewEncoder(f)
	enc.SetIndent("", "  ")
	if err = errors.Join(enc.Encode(r), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // where the system can; at worst the record is the one before
		_ = dir.Close()
	}
	return nil
}
