package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/internal/atomicfile"
	"github.com/connector-customizers/customizers/internal/config"
)

// A stateFile stores a sandbox's state.
type stateFile struct {
	path string // empty if the state is not stored
	mu   sync.Mutex
}

// read returns the stored state, or nil if the file does not exist.
func (f *stateFile) read() (*customizerstest.State, error) {
	if f.path == "" {
		return nil, nil
	}
	if info, err := os.Stat(f.path); err == nil && !info.Mode().IsRegular() {
		return nil, usageErrorf("--state %s is not a file", f.path)
	}
	data, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, usageErrorf("--state: %w", err)
	}
	var st customizerstest.State
	if err = json.Unmarshal(data, &st); err != nil {
		err = errors.New(config.DescribeJSON(data, err))
	}
	if err == nil && (st.ClientID == "" || st.ClientSecret == "") {
		err = errors.New("it has no credentials")
	}
	if err != nil {
		return nil, usageErrorf("--state: %s is not the state of a sandbox: %w (move it away to start with a new tenant)", f.path, err)
	}
	return &st, nil
}

// write replaces the file, unless the state is not stored.
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
	return atomicfile.Write(f.path, append(data, '\n'))
}
