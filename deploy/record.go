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
	"github.com/connector-customizers/customizers/internal/atomicfile"
)

// A record has the last deployment of each customizer, by the customizer's ID.
type record map[string]deployment

// A deployment is the version that was deployed, with the digest of its content.
type deployment struct {
	Name         string    `json:"name"`
	ImageVersion int64     `json:"imageVersion"`
	ImageID      string    `json:"imageID"`
	SHA256       string    `json:"sha256"`
	Time         time.Time `json:"time"`
}

// readRecord reads a record. If there is no file, the record is empty.
func readRecord(path string) (record, error) {
	r := record{}
	if path == "" {
		return r, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotRecorded, err)
	case !info.Mode().IsRegular(): // reading a FIFO would wait for a writer
		return nil, fmt.Errorf("%w: %s is not a file", ErrNotRecorded, path)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the caller's own file
	if err == nil && json.Unmarshal(data, &r) != nil {
		err = errors.New("it is no record")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s can't be read (delete it to continue without it): %w", ErrNotRecorded, path, err)
	}
	return r, nil
}

// has reports whether the newest version of c has the content with the given digest, as far
// as recorded.
func (r record) has(c *customizers.Customizer, digest string) bool {
	d, ok := r[c.ID]
	return ok && d.SHA256 == digest && d.ImageVersion == c.ImageVersion && d.ImageID == c.ImageID
}

// remember adds a deployment to the record file. If two programs do so at the same time, one
// of the deployments may be lost.
func remember(path string, c *customizers.Customizer, digest string) error {
	r, err := readRecord(path)
	if err == nil {
		if r == nil {
			r = record{} // the file holds null
		}
		r[c.ID] = deployment{Name: c.Name, ImageVersion: c.ImageVersion, ImageID: c.ImageID, SHA256: digest, Time: time.Now().UTC().Truncate(time.Second)}
		err = write(path, r)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRecorded, err)
	}
	return nil
}

// checkWritable returns an error if the record can't be written. It changes nothing.
func checkWritable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the caller's own file
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	for dir != filepath.Dir(dir) { // to the nearest folder that exists
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	if f, err = os.CreateTemp(dir, filepath.Base(path)+".*"); err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func write(path string, r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(path, append(data, '\n'))
	}
	return err
}
