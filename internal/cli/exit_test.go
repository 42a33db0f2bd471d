package cli

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/connector-customizers/customizers"
)

// The help of the program describes every key and kind of an error in JSON.
func TestHelpDescribesErrors(t *testing.T) {
	t.Parallel()
	help := Command().Long
	for i := range reflect.TypeFor[failure]().NumField() {
		tag := reflect.TypeFor[failure]().Field(i).Tag.Get("json")
		key, options, _ := strings.Cut(tag, ",")
		assert.Regexp(t, `(?m)^    (\w+, )?`+key+`\b`, help)
		always := key == "kind" || key == "exitCode" || key == "message"
		assert.Equal(t, always, options == "", "%s is always there", key)
	}
	seen := map[string]int{}
	for _, k := range errorKinds {
		seen[k.kind]++
		assert.Regexp(t, fmt.Sprintf(`(?m)^    %-3d .*\n         \[.*\b%s\b.*\]$`, k.code, k.kind), help)
		err := k.target
		switch k.kind {
		case "failure":
			err = errors.New("x")
		case "usage":
			err = usageErrorf("x")
		case "configuration":
			err = &exitError{err: errors.New("x"), code: exitDenied}
		case "interrupted":
			continue // by report
		}
		code, kind := exitCode(fmt.Errorf("wrapped: %w", err))
		assert.Equal(t, k.code, code, k.kind)
		assert.Equal(t, k.kind, kind)
	}
	assert.NotContains(t, fmt.Sprint(seen), ":2", "each kind once")
	assert.Contains(t, seen, "interrupted")
	for _, c := range exitCodes {
		assert.Contains(t, help, fmt.Sprintf("\n    %-3d  %s", c.code, c.meaning))
	}
}

// After an upload with an unknown outcome, the version tells what was done.
func TestUnknownOutcomeAdvice(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v2024/connector-customizers/id-1/versions", "/connector-customizers/v1/id-1/versions"} {
		err := &customizers.Error{Operation: "CreateVersion", Path: path, Err: customizers.ErrOutcomeUnknown}
		assert.Equal(t, "compare the version in 'customizers get id-1'", adviceOn(err))
	}
	assert.Equal(t, "run 'customizers list' to see what was done", adviceOn(&customizers.Error{Operation: "Create", Err: customizers.ErrOutcomeUnknown}))
}
