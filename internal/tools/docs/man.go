package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// writeMan writes a man page for root and for each of its commands. cobra/doc writes the
// sections that it knows, as Markdown that it turns into roff.
func writeMan(root *cobra.Command, dir string) error {
	codes := exitCodes(root)
	root.DisableAutoGenTag = true
	for _, c := range append(documented(root), root) {
		sections := section("EXIT STATUS", codes)
		if c.Flags().Lookup("tenant") != nil || c == root {
			sections += section("ENVIRONMENT", environment) + section("FILES", files)
		}
		c.Use, c.Long = escaped(c.Use), markdown(c.Long)
		var page bytes.Buffer
		if err := doc.GenMan(c, &doc.GenManHeader{Section: "1", Source: "customizers", Manual: "User Commands"}, &page); err != nil {
			return err
		}
		head, tail := page.String(), ""
		if at := regexp.MustCompile(`(?m)^\.SH (EXAMPLE|SEE ALSO)$`).FindStringIndex(head); at != nil {
			head, tail = head[:at[0]], head[at[0]:]
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(head+sections+tail), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// section returns a section of a man page with a list of terms.
func section(title string, terms []term) string {
	roff := strings.NewReplacer(`\`, `\e`, "-", `\-`)
	var b strings.Builder
	b.WriteString(".SH " + title + "\n")
	for _, t := range terms {
		b.WriteString(".TP\n\\fB" + roff.Replace(t.word) + "\\fP\n\\&" + roff.Replace(t.meaning) + "\n")
	}
	return b.String() + "\n\n"
}
