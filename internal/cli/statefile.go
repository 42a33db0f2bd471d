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
