// Package naming checks names and IDs before they are sent.
package naming

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName rejects names that the service may change, and those that look like another. If
// the service trims a name, the caller does not find the new customizer. The error completes a
// sentence that starts with the argument, for example "--name is blank".
func CheckName(name string) error {
	trimmed := strings.TrimFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || invisible(r) || unicode.Is(unicode.Join_Control, r)
	})
	switch {
	case trimmed == "":
		return errors.New("is blank")
	case name != trimmed:
		return fmt.Errorf("%q has leading or trailing white space or invisible characters", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q has control characters", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	case strings.ContainsFunc(name, invisible):
		return fmt.Errorf("%q has invisible characters", name)
	}
	return nil
}

// invisible reports whether r has no width or changes the direction of the text. Emoji and
// words of some languages need the joiners U+200C and U+200D.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.In(r, unicode.Join_Control, unicode.Prepended_Concatenation_Mark) || r == '\u2800'
}

// CheckID rejects IDs that would change the path of a request. For example, an empty ID would
// address the collection instead of one customizer. The error completes a sentence that starts
// with the argument, for example "the ID is empty".
func CheckID(id string) error {
	switch {
	case id == "":
		return errors.New("is empty")
	case id == ".", id == "..":
		return fmt.Errorf("%q is a path, not an ID", id)
	case strings.ContainsAny(id, `/\`):
		return fmt.Errorf("%q has a slash", id)
	case strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fmt.Errorf("%q has white space or control characters", id)
	}
	return nil
}
