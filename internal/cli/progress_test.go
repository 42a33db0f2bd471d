package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestUploadText(t *testing.T) {
	t.Parallel()
	for want, tt := range map[string]struct {
		sent, total int64
		elapsed     time.Duration
	}{
		"Uploading 0% of 32.0 MB, waiting for the service":     {0, 32e6, time.Second},
		"Uploading 25% of 32.0 MB, 4.0 MB/s, 6 s left":         {8e6, 32e6, 2 * time.Second},
		"Uploading 100% of 32.0 MB, waiting for the service":   {32e6, 32e6, time.Minute},
		"Uploading 0% of 5.0 TB, 1.0 MB/s, 1388 h 53 min left": {1e6, 5e12, time.Second},
	} {
		r := &uploadReader{total: tt.total}
		r.sent.Store(tt.sent)
		assert.Equal(t, want, r.text(tt.elapsed))
	}
}

func TestSizeText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_499: "99.5 kB", 99_500: "100 kB", 999_499: "999 kB", 999_500: "1.0 MB", 7e15: "7000 TB"} {
		assert.Equal(t, want, sizeText(n), n)
	}
}
