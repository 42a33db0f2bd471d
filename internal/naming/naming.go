// Package naming has the rule for names of customizers.
package naming

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check refuses the names that the service may change. A service that trims names creates a
// customizer that the caller does not find again. The error continues a sentence that
// begins with the argument: "--name is blank".
func Check(name string) error {
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
