package cli

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zalando/go-keyring"
)

// The keyring has the entries of SailPoint's CLI. One that can't be read is not an empty one.
func TestKeyringSecrets(t *testing.T) {
	read := keyringSecrets(t.Context())
	keyring.MockInit()
	secret, err := read("environments.pat.clientid", "live")
	require.NoError(t, err)
	assert.Empty(t, secret)
	require.NoError(t, keyring.Set("environments.pat.clientid", "live", "an-id"))
	secret, err = read("environments.pat.clientid", "live")
	require.NoError(t, err)
	assert.Equal(t, "an-id", secret)
	keyring.MockInitWithError(errors.New("it is locked"))
	_, err = read("environments.pat.clientid", "live")
	assert.EqualError(t, err, "the system's keyring can't be read: environments.pat.clientid of live: it is locked")
}
