package customizers

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaultTransport(t *testing.T) {
	c := noRedirects(nil)
	transport, ok := c.Transport.(*http.Transport)
	require.True(t, ok)
	assert.Same(t, transport, noRedirects(nil).Transport, "clients share their connections")
	assert.NotSame(t, http.DefaultTransport, c.Transport)
	assert.EqualValues(t, tls.VersionTLS12, transport.TLSClientConfig.MinVersion)
	assert.Equal(t, 30*time.Second, transport.IdleConnTimeout)
	assert.Positive(t, transport.ExpectContinueTimeout)
	assert.True(t, transport.ForceAttemptHTTP2)
	assert.Zero(t, c.Timeout)
}
