package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	assert.Equal(t, "-", ago(now, time.Time{}))
	for d, want := range map[time.Duration]string{
		0: "just now", 119 * time.Second: "just now", 2 * time.Minute: "2 minutes ago", 119 * time.Minute: "119 minutes ago", 2 * time.Hour: "2 hours ago",
		47 * time.Hour: "47 hours ago", 59 * 24 * time.Hour: "59 days ago", 729 * 24 * time.Hour: "24 months ago", 730 * 24 * time.Hour: "2 years ago",
		-time.Minute: "just now", -2 * time.Minute: "2026-11-28T12:02:00Z",
	} {
		assert.Equal(t, want, ago(now, now.Add(-d)), d)
	}
}
