package deploy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/connector-customizers/customizers"
)

// A record has the last deployment of each customizer. Its file has a line for every
// deployment, and the last one of a customizer counts. A line is appended with one write, so
// programs that write at the same time lose nothing, and one that is killed leaves the lines
// before.
type record struct {
	path     string                // empty if nothing is recorded
	past     map[string]deployment // by the customizer's ID, or its name if that is unknown
	unended  bool                  // the last line was cut off
	unusable error                 // why the file was not read or written
}

// A deployment is the version that was deployed, with the digest of its content. The version
// is 0 if the customizer was created but nothing was uploaded. The ID is empty if it is unknown
// whether it was created.
type deployment struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	ImageVersion  int64     `json:"imageVersion"`
	ImageID       string    `json:"imageID"`
	ContentSHA256 string    `json:"contentSHA256"`
	Time          time.Time `json:"time"`
}

const maxRecord = 64 << 20 // bytes, for some 200,000 deployments

// readRecord reads a record. If there is no file, the record is empty. It returns an error for
// something that is not a record. If the file can't be read, a run does without it.
func readRecord(path string) (*record, error) {
	r := &record{path: path, past: map[string]deployment{}}
	if path == "" {
		return r, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err == nil && !info.Mode().IsRegular(): // reading a FIFO would wait for a writer
		return nil, fmt.Errorf("the record %s is not a file", path)
	case err == nil && info.Size() > maxRecord:
		return nil, fmt.Errorf("the record %s is larger than %d MiB (delete it, or name another file)", path, maxRecord>>20)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path) //nolint:gosec // the caller's own file
	}
	r.unusable = err
	r.unended = len(data) > 0 && data[len(data)-1] != '\n'
	for line := range bytes.Lines(data) {
		var d deployment
		if json.Unmarshal(line, &d) == nil && (d.ID != "" || d.Name != "" && !d.Time.IsZero()) {
			r.past[cmp.Or(d.ID, d.Name)] = d
		}
	}
	cutOff := r.unended && bytes.HasPrefix(data, []byte(`{"id":`)[:min(len(data), 6)]) && !bytes.Contains(data, []byte("\n")) // the first line
	if len(r.past) == 0 && len(bytes.TrimSpace(data)) > 0 && !cutOff {
		return nil, fmt.Errorf("%s is not a deployment record (delete it, or name another file)", path)
	}
	return r, nil
}

// has reports whether the newest version of c has the content with the given digest, as far
// as recorded.
func (r *record) has(c *customizers.Customizer, digest string) bool {
	d, ok := r.past[c.ID]
	return ok && d.ContentSHA256 == digest && d.ImageVersion == c.ImageVersion && d.ImageID == c.ImageID
}

// add records that the newest version of c has the content with the given digest.
func (r *record) add(c *customizers.Customizer, digest string) {
	if r.path == "" || r.unusable != nil {
		return
	}
	d := deployment{ID: c.ID, Name: c.Name, ImageVersion: c.ImageVersion, ImageID: c.ImageID, ContentSHA256: digest, Time: time.Now().UTC().Truncate(time.Second)}
	line, err := json.Marshal(d)
	if r.unended {
		line = append([]byte("\n"), line...)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(r.path), 0o777) //nolint:gosec // less the umask: others may share the record
	}
	if err == nil {
		err = appendTo(r.path, append(line, '\n'))
	}
	r.unended, r.unusable = false, err
}

func appendTo(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666) //nolint:gosec // as above
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Sync(), f.Close())
}
