package customizers_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// counting is a connection whose writes are counted.
type counting struct {
	net.Conn
	writes *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// A request is one write, with its body, and so mostly one packet. net/http sends the
// header alone when it can't tell that the body is in memory.
func TestARequestIsOneWrite(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Update, Status: http.StatusBadGateway})
	var writes atomic.Int64
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return counting{conn, &writes}, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	c := srv.Client(quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
	ctx := ctxOf(t)
	made := create(t, c, "a")
	_, err := c.Update(ctx, made.ID, customizers.UpdateRequest{Name: "b"})
	require.NoError(t, err)
	_, err = c.Get(ctx, made.ID)
	require.NoError(t, err)
	_, err = c.CreateVersion(ctx, made.ID, nil)
	require.NoError(t, err)
	require.NoError(t, c.Delete(ctx, made.ID))
	assert.EqualValues(t, 7, writes.Load(), "of a token, a create, two tries of an update, a get, a version and a delete")
}
