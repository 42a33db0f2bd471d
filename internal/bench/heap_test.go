//go:build !race

package main

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// peak is the most that the heap grows while do runs, garbage that was not yet
// collected counted too.
func peak(do func()) float64 {
	objects := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	runtime.GC()
	runtime.GC() // what the first one left to finalizers and pools
	idle := objects()
	most := idle
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, objects())
			case <-stop:
				return
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return float64(most-idle) / (1 << 20)
}

func TestHeapOfAll(t *testing.T) {
	c, _ := pair(t, tenants.Fast)
	_, err := c.Get(t.Context(), id) // so that it has a connection
	require.NoError(t, err)
	grown := peak(func() {
		require.NoError(t, all(t.Context(), c, customizers.ListOptions{}, records))
	})
	t.Attr("heap-mib", fmt.Sprintf("%.1f", grown))
	assert.Less(t, grown, 4.0, "MiB above an idle client")
}

func TestHeapOfUpload(t *testing.T) {
	f := file(t, archiveSize)
	for name, tt := range map[string]struct{ base, id string }{
		"http":            {tenants.Fast, id},
		"http-after-429":  {tenants.Fast, "busy-http"},
		"https":           {tenants.TLS, id},
		"https-after-429": {tenants.TLS, "busy-https"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := pair(t, tt.base)
			_, err := c.Get(t.Context(), id)
			require.NoError(t, err)
			grown := peak(func() {
				_, err := c.CreateVersion(t.Context(), tt.id, f)
				require.NoError(t, err)
			})
			t.Attr("heap-mib", fmt.Sprintf("%.1f", grown))
			assert.Less(t, grown, 8.0, "MiB above an idle client")
		})
	}
}
