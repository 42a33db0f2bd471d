package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The status line is redrawn while a page is printed, also with --quiet. The race detector sees
// whether they share data. A timer of the server would hide that, because the detector takes
// the order of timers for a synchronization.
func TestListStatus(t *testing.T) {
	serveTenant(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			_, _ = fmt.Fprint(w, `{"access_token":"t","token_type":"bearer","expires_in":749}`)
			return
		}
		var first int
		_, _ = fmt.Sscan(r.URL.Query().Get("offset"), &first)
		var page []string
		for i := first; i < min(first+250, 600); i++ {
			page = append(page, fmt.Sprintf(`{"id":"id-%d","name":"n"}`, i))
		}
		for start := time.Now(); first > 0 && time.Since(start) < redrawEvery*3/2; { //nolint:revive // busy, see above
		}
		_, _ = fmt.Fprint(w, "["+strings.Join(page, ",")+"]")
	}))
	for _, flag := range []string{"-q", "--max-wait=1s"} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), []string{"list", "-o", "id", flag}, nil, &stdout, &stderr), stderr.String())
		assert.Equal(t, 600, bytes.Count(stdout.Bytes(), []byte("\n")))
		assert.Empty(t, stderr.String())
	}
}
