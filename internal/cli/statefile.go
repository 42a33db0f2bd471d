package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/connector-customizers/customizers/customizerstest"
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
	data, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, usageErrorf("--state: %w", err)
	}
	var st customizerstest.State
	err = json.Unmarshal(data, &st)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		err = fmt.Errorf("%w in line %d", err, 1+bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n")))
	}
	if err == nil && (st.ClientID == "" || st.ClientSecret == "") {
		err = errors.New("it has no credentials")
	}
	if err != nil {
		return nil, usageErrorf("--state: %s is not the state of a sandbox: %w (move it away to start with a new tenant)", f.path, err)
	}
	return &st, nil
}

// write replaces the file with a rename, so that the file is always complete.
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
	to, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*") // mode 0600
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
