package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/deploy"
)

var customizerView = view[customizers.Customizer]{
	id: func(c customizers.Customizer) string { return c.ID },
	columns: []column[customizers.Customizer]{
		{head: "ID", cell: func(c customizers.Customizer) string { return c.ID }},
		{head: "NAME", cell: func(c customizers.Customizer) string { return c.Name }, narrow: shrinks},
		{head: "VERSION", cell: func(c customizers.Customizer) string { return versionText(c.ImageVersion) }},
		{head: "CREATED", cell: func(c customizers.Customizer) string { return ago(time.Now(), c.Created.Time) }, narrow: goes, least: agoWidth},
	},
}

var versionView = view[customizers.Version]{
	id: func(v customizers.Version) string { return v.CustomizerID },
	columns: []column[customizers.Version]{
		{head: "CUSTOMIZER", cell: func(v customizers.Version) string { return v.CustomizerID }},
		{head: "VERSION", cell: func(v customizers.Version) string { return versionText(v.Version) }},
		{head: "IMAGE", cell: func(v customizers.Version) string { return v.ImageID }, narrow: shrinks},
		{head: "CREATED", cell: func(v customizers.Version) string { return ago(time.Now(), v.Created.Time) }, narrow: goes, least: agoWidth},
	},
}

var deploymentView = view[deploy.Result]{
	id: func(r deploy.Result) string { return r.Customizer.ID },
	columns: []column[deploy.Result]{
		{head: "ID", cell: func(r deploy.Result) string { return r.Customizer.ID }},
		{head: "NAME", cell: func(r deploy.Result) string { return r.Customizer.Name }, narrow: shrinks},
		{head: "OLD", cell: func(r deploy.Result) string { return versionText(r.OldVersion) }},
		{head: "NEW", cell: func(r deploy.Result) string { return versionText(r.NewVersion) }},
		{head: "UPLOADED", cell: uploadedText, narrow: goes},
	},
}

// versionText is the number of a version; there is none before the first.
func versionText(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func uploadedText(r deploy.Result) string {
	if r.WouldUpload {
		return "would upload"
	}
	return yesNo(r.Uploaded)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

const agoWidth = len("59 minutes ago")

// ago tells how long before now a time was.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	count := func(n int, unit string) string {
		if n != 1 {
			unit += "s"
		}
		return fmt.Sprintf("%d %s ago", n, unit)
	}
	const day = 24 * time.Hour
	switch {
	case d < -time.Minute: // a clock that is off
		return t.UTC().Format(time.RFC3339)
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int(d/time.Minute), "minute")
	case d < day:
		return count(int(d/time.Hour), "hour")
	case d < 60*day:
		return count(int(d/day), "day")
	case d < 2*365*day:
		return count(int(d/(30*day)), "month")
	}
	return count(int(d/(365*day)), "year")
}

// sizeText is a number of bytes.
func sizeText(n int64) string {
	value, units := float64(n), []string{"B", "kB", "MB", "GB", "TB"}
	for value >= 999.5 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	if units[0] == "B" || value >= 99.5 {
		return fmt.Sprintf("%.0f %s", value, units[0])
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}
