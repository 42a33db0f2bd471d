package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/internal/config"
)

// A stateFile stores a sandbox's state.
type stateFile struct {
	path string // empty if the state is not stored
	mu   sync.Mutex
}

func (f *stateFile) read() (st customizerstest.State, there bool, err error) {
	if f.path == "" {
		return st, false, nil
	}
	if info, err := os.Stat(f.path); err == nil && !info.Mode().IsRegular() {
		return st, false, usageErrorf("--state %s is not a file", f.path)
	}
	data, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return st, false, nil
	case err != nil:
		return st, false, usageErrorf("--state: %w", err)
	}
	if err := json.Unmarshal(data, &st); err != nil {
		return st, false, usageErrorf("--state: %s is not the state of a sandbox: %s (move it away to start with a new tenant)", f.path, config.DescribeJSON(data, err))
	}
	if st.ClientID == "" || st.ClientSecret == "" {
		return st, false, usageErrorf("--state: %s is not the state of a sandbox: it has no credentials (move it away to start with a new tenant)", f.path)
	}
	return st, true, nil
}

// write replaces the file by a rename, so that it is complete whenever the program stops.
func (f *stateFile) write(state func() customizerstest.State) error {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	data, err := json.MarshalIndent(state(), "", "  ") //nolint:gosec // the sandbox's own secret
	if err != nil {
		return err
	}
	to, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = to.Write(append(data, '\n'))
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(to.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(to.Name())
	}
	return err
}
