// Package naming has the rules for IDs.
package naming

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

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
