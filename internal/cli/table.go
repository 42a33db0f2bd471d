package cli

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// A table writes rows in columns that are as wide as the first rows need, so that any
// number of rows takes no more memory than those.
type table struct {
	w       io.Writer
	colours bool
	width   int // of the terminal; 0 when there is none
	heads   []head
	headed  bool     // they are written
	widths  []int    // nil until settled; -1 for a column that has gone
	first   [][]cell // the rows that decide on the widths
}

type head struct {
	text   string
	narrow narrow
	least  int
}

type cell struct{ text, colour string }

const firstRows = 250

func newTable(a *app, w io.Writer, heads []head) *table {
	t := &table{w: w, colours: colours(a.out), heads: heads}
	if isTerminal(a.out) {
		t.width = widthOf(a.out)
	}
	if t.headed = !a.output.noHeaders; t.headed {
		row := make([]cell, len(heads))
		for i, h := range heads {
			row[i] = cell{h.text, bold}
		}
		t.first = append(t.first, row)
	}
	return t
}

func (t *table) add(cells []cell) {
	if t.widths != nil {
		t.write(cells)
		return
	}
	t.first = append(t.first, cells)
	if len(t.first) > firstRows {
		t.settle()
	}
}

// settle decides on the widths, and writes what waited for them.
func (t *table) settle() {
	if t.widths != nil {
		return
	}
	t.widths = make([]int, len(t.heads))
	for i, h := range t.heads {
		t.widths[i] = h.least
	}
	for _, row := range t.first {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], runewidth.StringWidth(cell.text))
		}
	}
	t.fit()
	for _, row := range t.first {
		t.write(row)
	}
	t.first = nil
}

const (
	gap        = 2
	goodWidth  = 8 // to which columns shrink before others go
	leastWidth = 3 // to which they shrink at worst
)

// fit makes the table as wide as the terminal: some columns shrink, and when that is not
// enough others go, the last ones first.
func (t *table) fit() {
	if t.width == 0 {
		return
	}
	over, slack := -gap-t.width, 0
	for i, w := range t.widths {
		over += w + gap
		if t.heads[i].narrow == shrinks {
			slack += max(0, w-goodWidth)
		}
	}
	for i := len(t.heads) - 1; i >= 0 && over > slack; i-- {
		if t.heads[i].narrow == goes {
			over -= t.widths[i] + gap
			t.widths[i] = -1
		}
	}
	for i, h := range t.heads {
		if h.narrow == shrinks && over > 0 {
			less := min(over, max(0, t.widths[i]-leastWidth))
			t.widths[i] -= less
			over -= less
		}
	}
}

func (t *table) write(cells []cell) {
	var b strings.Builder
	at := 0    // the column that is reached
	blank := 0 // columns before the next text, so that no line ends in blanks
	for i, c := range cells {
		width := t.widths[i]
		if width < 0 {
			continue
		}
		switch {
		case t.width == 0:
		case t.heads[i].narrow == shrinks:
			c.text = runewidth.Truncate(c.text, width, "…")
		case t.heads[i].narrow == wraps:
			c.text = wrapped(c.text, t.width-at, at)
		}
		at += width + gap
		if c.text != "" {
			b.WriteString(strings.Repeat(" ", blank))
			b.WriteString(painted(t.colours, c.colour, c.text))
			blank = 0
		}
		blank += max(0, width-runewidth.StringWidth(c.text)) + gap
	}
	_, _ = io.WriteString(t.w, b.String()+"\n")
}

// wrapped breaks a text between words into lines of a width, which all but the first are
// indented.
func wrapped(text string, width, indent int) string {
	var b strings.Builder
	left := width
	for i, word := range strings.Fields(text) {
		w := runewidth.StringWidth(word)
		switch {
		case i == 0:
		case w < left:
			b.WriteByte(' ')
			left--
		default:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			left = width
		}
		b.WriteString(word)
		left -= w
	}
	return b.String()
}
