// Package naming checks names and IDs before they are sent.
package naming

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName refuses names that the service may change. If the service trims a name, the caller
// does not find the new customizer. The error completes a sentence that starts with the
// argument, for example "--name is blank".
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("is blank")
	case name != strings.TrimSpace(name):
		return fmt.Errorf("%q has white space at its ends", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q has control characters", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	}
	return nil
}

// CheckID refuses IDs that would change the path of a request. For example, an empty ID would
// address the collection instead of one customizer. The error completes a sentence that starts
// with the argument, for example "the id is empty".
func CheckID(id string) error {
	switch {
	case id == "":
		return errors.New("is empty")
	case id == ".", id == "..":
		return fmt.Errorf("%q is a path, not an id", id)
	case strings.ContainsAny(id, `/\`):
		return fmt.Errorf("%q has a slash", id)
	case strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fmt.Errorf("%q has white space or control characters", id)
	}
	return nil
}
