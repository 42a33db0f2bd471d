// Package naming has the rules for names and IDs.
package naming

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName refuses the names that the service may change. A service that trims names creates a
// customizer that the caller does not find again. The error continues a sentence that
// begins with the argument: "--name is blank".
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

// CheckID refuses the IDs that would change the address that they become part of. An empty
// one, for example, turns the delete of one customizer into a request to the collection.
// The error continues a sentence that begins with the argument: "the id is empty".
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
