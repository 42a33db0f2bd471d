package customizerstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

const (
	levelInfo, levelWarn = "INFO", "WARN"

	maxLogs = 100 // entries in a response
)

// runs returns the message that an instance runs a customizer.
func runs(c *customizers.Customizer) string {
	return fmt.Sprintf("Runs version %d of %s.", c.ImageVersion, c.Name)
}

// log adds an entry to the log of an instance. The caller holds t.mu.
func (t *tenant) log(i Instance, level, event, text string) {
	message, _ := json.Marshal(text) // a string
	t.logs = append(t.logs, instances.Log{
		Time: now(), Level: level, Event: event, Component: "sandbox",
		TargetID: newID(), TargetName: i.Name, RequestID: uuid.NewString(), Message: message,
	})
}

// queryLogs writes a page of the log entries that match a filter, oldest first.
func (t *tenant) queryLogs(w http.ResponseWriter, r *http.Request) {
	var query struct {
		Filter struct {
			StartTime, EndTime *time.Time
			LogLevels          []string
			TargetName         string
		}
		NextToken string
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxJSON))
	if err == nil {
		err = json.Unmarshal(data, &query)
	}
	next := 0
	if err == nil && query.NextToken != "" {
		next, err = strconv.Atoi(query.NextToken)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || next < 0 || next > len(t.logs) {
		writeError(w, http.StatusBadRequest, "The query can't be read.")
		return
	}
	f, page := query.Filter, []instances.Log{}
	for ; next < len(t.logs) && len(page) < maxLogs; next++ {
		if l := t.logs[next]; (f.TargetName == "" || f.TargetName == l.TargetName) &&
			(len(f.LogLevels) == 0 || slices.Contains(f.LogLevels, l.Level)) &&
			(f.StartTime == nil || !l.Time.Before(*f.StartTime)) && (f.EndTime == nil || !l.Time.After(*f.EndTime)) {
			page = append(page, l)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"logs": page, "nextToken": strconv.Itoa(next)})
}
