package naming_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/connector-customizers/customizers/internal/naming"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	const (
		blank   = "is blank"
		ends    = "has leading or trailing white space or invisible characters"
		control = "has control characters"
		unseen  = "has invisible characters"
	)
	for name, want := range map[string]string{
		"hr-feed":              "",
		"HR feed (Zürich)":     "",
		"Zu\u0308rich":         "",
		"نامه\u200cای":         "", // Persian: ZWNJ inside a word
		"\u0601\u0661":         "", // Arabic number sign: a visible format character
		"👩\u200d💻 feed":        "",
		"❤\ufe0f":              "",
		"":                     blank,
		" \t":                  blank,
		"\ufeff":               blank,
		"\u200b\u2060":         blank,
		"\u3164":               blank,
		"feed ":                ends,
		"feed\r":               ends,
		"\u00a0feed":           ends,
		"\ufefffeed":           ends,
		"feed\u200b":           ends,
		"feed\u200d":           ends,
		"\u200cfeed":           ends,
		"feed\u202e":           ends,
		"feed\u3164":           ends,
		"feed\u2800":           ends,
		"feed\U000e0041":       ends,
		"hr\x00feed":           control,
		"hr\u0085feed":         control,
		"hr\u202efeed":         unseen,
		"hr\u2067feed\u2069-1": unseen,
		"hr\u200efeed":         unseen,
		"hr\u200bfeed":         unseen,
		"hr\u00adfeed":         unseen,
		"hr\ufefffeed":         unseen,
		"hr\xfffeed":           "is not UTF-8",
	} {
		err := naming.CheckName(name)
		if want == "" {
			assert.NoError(t, err, "%+q", name)
		} else {
			assert.ErrorContains(t, err, want, "%+q", name)
		}
	}
}
