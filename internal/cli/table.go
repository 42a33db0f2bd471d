package cli

import (
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A fit defines how a column changes if the terminal is too narrow for the table.
type fit int

const (
	whole fit = iota // no change
	cut              // end with an ellipsis
	wrap             // continue on the next line
	drop             // hide, if another column would become too narrow to read
)

const (
	columnGap      = 2
	readableColumn = 8
	leastColumn    = 3
)

// renderTable returns rows in aligned columns of a terminal. At most one column is cut or
// wraps.
func renderTable(rows [][]string, fits []fit, terminalWidth int) string {
	widths := make([]int, len(fits))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(cell))
		}
	}
	left := terminalWidth + columnGap
	needed := 0 // width of the column that is cut or wrapped
	for i, w := range widths {
		left -= columnGap
		if fits[i] == cut || fits[i] == wrap {
			needed = w
		} else {
			left -= w
		}
	}
	var configs []table.ColumnConfig
	for i, f := range slices.Backward(fits) {
		if f == drop && left < min(needed, readableColumn) {
			left += widths[i] + columnGap
			configs = append(configs, table.ColumnConfig{Number: i + 1, Hidden: true})
		}
	}
	for i, f := range fits {
		c := table.ColumnConfig{Number: i + 1, WidthMax: max(left, leastColumn)}
		switch {
		case f == cut && left < needed:
			c.WidthMaxEnforcer = func(s string, width int) string { return text.Snip(s, width, "…") }
		case f == wrap && left < needed:
			c.WidthMaxEnforcer = text.WrapSoft
		default:
			continue
		}
		configs = append(configs, c)
	}
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.BoxStyle{PaddingRight: "  "}})
	t.SetColumnConfigs(configs)
	t.SuppressTrailingSpaces()
	for _, row := range rows {
		cells := make(table.Row, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		t.AppendRow(cells)
	}
	return t.Render() + "\n"
}
