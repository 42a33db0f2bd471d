package customizerstest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// A logPage is a response to a query of logs.
type logPage struct {
	Logs []struct {
		Timestamp                                                         time.Time
		Level, Event, Component, TargetID, TargetName, RequestID, Message string
	}
	NextToken string
}

func (p *peer) logs(filter, token string) logPage {
	p.t.Helper()
	return decode[logPage](p.t, p.send(http.MethodPost, logs, recordType, fmt.Sprintf(`{"filter":%s,"nextToken":%q}`, filter, token)))
}

// What happens to an instance is in its log.
func TestLogs(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "hr", Name: "hr-feed"}, customizers.Customizer{ID: "it", Name: "it-feed", ImageVersion: 7}),
		customizerstest.WithInstances(customizerstest.Instance{ID: "a", Name: "HR"}, customizerstest.Instance{ID: "b", Name: "IT", CustomizerID: "it"}))
	p := newPeer(t, srv)
	start := time.Now().Add(-time.Second)
	assert.Equal(t, logPage{Logs: p.logs("{}", "").Logs, NextToken: "0"}, p.logs("{}", ""))
	assert.NotNil(t, p.logs("{}", "").Logs, "an empty list is [], not null")
	for _, patch := range []string{link("replace", "hr"), link("replace", "hr"), link("replace", "it"), unlink, link("add", "hr")} {
		require.Equal(t, http.StatusOK, p.send(http.MethodPatch, instances+"/a", "", patch).status)
	}
	for _, id := range []string{"hr", "it"} {
		require.Equal(t, http.StatusOK, p.send(http.MethodPost, collection+"/"+id+"/versions", "", "").status)
	}
	require.NoError(t, srv.Client().Delete(t.Context(), "hr"))

	want := []string{
		"HR WARN linked Linked to hr-feed, which has no version to run.",
		"HR INFO linked Runs version 7 of it-feed.",
		"HR INFO unlinked Runs no connector customizer.",
		"HR WARN linked Linked to hr-feed, which has no version to run.",
		"HR INFO version Runs version 1 of hr-feed.",
		"IT INFO version Runs version 8 of it-feed.",
		"HR INFO unlinked Runs no connector customizer.",
	}
	texts := func(page logPage) []string {
		out := []string{}
		for _, l := range page.Logs {
			out = append(out, l.TargetName+" "+l.Level+" "+l.Event+" "+l.Message)
			assert.WithinRange(t, l.Timestamp, start, time.Now())
			assert.NotContains(t, []string{"", "a", "b"}, l.TargetID)
			assert.NotEmpty(t, l.Component)
			assert.NotEmpty(t, l.RequestID)
		}
		return out
	}
	past, future := time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339)
	for filter, want := range map[string][]string{
		`{}`:                                   want,
		`{"targetName":"IT"}`:                  want[5:6],
		`{"targetName":"gone"}`:                {},
		`{"logLevels":["ERROR","WARN"]}`:       {want[0], want[3]},
		`{"logLevels":[],"targetName":""}`:     want,
		`{"startTime":"` + past + `"}`:         want,
		`{"startTime":"` + future + `"}`:       {},
		`{"endTime":"` + past + `"}`:           {},
		`{"endTime":"` + future + `","a":"b"}`: want,
	} {
		assert.Equal(t, want, texts(p.logs(filter, "")), filter)
	}
	assert.Len(t, srv.Requests(customizerstest.QueryLogs), 3+9)
}

// The token of the last page leads to an empty page with the same token.
func TestLogsPages(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "hr", Name: "hr-feed"}), customizerstest.WithInstances(
		customizerstest.Instance{ID: "a", Name: "HR", CustomizerID: "hr"}, customizerstest.Instance{ID: "b", Name: "IT", CustomizerID: "hr"}))
	p := newPeer(t, srv)
	for range 150 {
		p.send(http.MethodPost, collection+"/hr/versions", "", "")
	}
	var lengths []int
	for last, token := "none", ""; token != last; {
		last = token
		page := p.logs(`{"targetName":"IT"}`, token)
		lengths = append(lengths, len(page.Logs))
		token = page.NextToken
	}
	assert.Equal(t, []int{100, 50, 0}, lengths)
}
