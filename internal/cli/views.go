package cli

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/deploy"
)

var customizerView = view[customizers.Customizer]{
	id: func(c customizers.Customizer) string { return c.ID },
	columns: []column[customizers.Customizer]{
		{head: "ID", cell: func(c customizers.Customizer) string { return c.ID }},
		{head: "NAME", cell: func(c customizers.Customizer) string { return c.Name }, fit: cut},
		{head: "VERSION", cell: func(c customizers.Customizer) string { return versionText(c.ImageVersion) }},
		{head: "CREATED", time: func(c customizers.Customizer) time.Time { return c.Created.Time }, fit: drop},
	},
}

// customizerFields has every field.
var customizerFields = view[customizers.Customizer]{
	id: customizerView.id,
	columns: slices.Concat(customizerView.columns, []column[customizers.Customizer]{
		{head: "IMAGE", cell: func(c customizers.Customizer) string { return c.ImageID }},
		{head: "TENANT", cell: func(c customizers.Customizer) string { return c.TenantID }},
	}),
}

var versionView = view[customizers.Version]{
	id: func(v customizers.Version) string { return v.CustomizerID },
	columns: []column[customizers.Version]{
		{head: "CUSTOMIZER", cell: func(v customizers.Version) string { return v.CustomizerID }},
		{head: "VERSION", cell: func(v customizers.Version) string { return versionText(v.Version) }},
		{head: "IMAGE", cell: func(v customizers.Version) string { return v.ImageID }, fit: cut},
		{head: "CREATED", time: func(v customizers.Version) time.Time { return v.Created.Time }, fit: drop},
	},
}

var deploymentView = view[deploy.Result]{
	id: func(r deploy.Result) string { return r.Customizer.ID },
	columns: []column[deploy.Result]{
		{head: "ID", cell: func(r deploy.Result) string { return r.Customizer.ID }},
		{head: "NAME", cell: func(r deploy.Result) string { return r.Customizer.Name }, fit: cut},
		{head: "OLD", cell: func(r deploy.Result) string { return versionText(r.OldVersion) }},
		{head: "NEW", cell: func(r deploy.Result) string { return versionText(r.NewVersion) }},
		{head: "UPLOADED", cell: uploadedText, fit: drop},
	},
}

// versionText returns the number of a version, or "-" if there is none.
func versionText(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func uploadedText(r deploy.Result) string {
	switch {
	case r.WouldUpload:
		return "would upload"
	case r.Uploaded:
		return "yes"
	}
	return "no"
}

// ago formats the time between t and now, in the largest unit of which there are two.
func ago(now, t time.Time) string {
	const day = 24 * time.Hour
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "-"
	case d < -time.Minute: // one of the clocks is wrong
		return t.UTC().Format(time.RFC3339)
	}
	for _, unit := range []struct {
		length time.Duration
		noun   string
	}{{365 * day, "years"}, {30 * day, "months"}, {day, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if n := d / unit.length; n >= 2 {
			return fmt.Sprintf("%d %s ago", n, unit.noun)
		}
	}
	return "just now"
}

func countOf(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
