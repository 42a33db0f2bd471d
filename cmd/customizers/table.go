package main

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// A table writes rows in columns that are as wide as the first rows need, so that any
// number of rows takes no more memory than those.
type table struct {
	w        io.Writer
	terminal bool
	width    int // of the terminal; 0 when there is none
	heads    []head
	headed   bool       // they are written
	widths   []int      // nil until settled
	first    [][]string // the rows that decide on the widths
}

type head struct {
	text   string
	shrink bool
}

const firstRows = 250

func newTable(a *app, w io.Writer, heads []head) *table {
	t := &table{w: w, terminal: isTerminal(a.out), heads: heads}
	if t.terminal {
		t.width = widthOf(a.out)
	}
	if t.headed = !a.output.noHeaders; t.headed {
		texts := make([]string, len(heads))
		for i, h := range heads {
			texts[i] = h.text
		}
		t.first = append(t.first, texts)
	}
	return t
}

func (t *table) add(cells []string) {
	if t.widths != nil {
		t.write(cells, "")
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
	for _, row := range t.first {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], runewidth.StringWidth(cell))
		}
	}
	t.fit()
	for i, row := range t.first {
		colour := ""
		if i == 0 && t.headed {
			colour = bold
		}
		t.write(row, colour)
	}
	t.first = nil
}

const (
	gap      = 2
	minWidth = 8 // of a column that gives way
)

// fit narrows the columns that can give way until the table fits the terminal.
func (t *table) fit() {
	if t.width == 0 {
		return
	}
	over := gap*(len(t.widths)-1) - t.width
	for _, w := range t.widths {
		over += w
	}
	for i, h := range t.heads {
		if h.shrink && over > 0 {
			less := min(over, max(0, t.widths[i]-minWidth))
			t.widths[i] -= less
			over -= less
		}
	}
}

func (t *table) write(cells []string, colour string) {
	var b strings.Builder
	for i, cell := range cells {
		if t.width > 0 && t.heads[i].shrink {
			cell = runewidth.Truncate(cell, t.widths[i], "…")
		}
		if i < len(cells)-1 {
			cell = runewidth.FillRight(cell, t.widths[i]+gap)
		}
		b.WriteString(cell)
	}
	line := strings.TrimRight(b.String(), " ")
	if colour != "" {
		line = painted(t.terminal, colour, line)
	}
	_, _ = io.WriteString(t.w, line+"\n")
}
