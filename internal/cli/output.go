package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	formatTable = "table"
	formatJSON  = "json"
	formatJSONL = "jsonl"
	formatYAML  = "yaml"
	formatID    = "id"
)

var formats = []string{formatTable, formatJSON, formatJSONL, formatYAML, formatID}

// output says how data are written.
type output struct {
	format    string
	noHeaders bool
}

func (o *output) check() error {
	if !slices.Contains(formats, o.format) {
		format := o.format
		o.format = formatTable
		return usageErrorf("there is no output format %q: use %s", format, strings.Join(formats, ", "))
	}
	return nil
}

// A view says how values of a type are shown.
type view[T any] struct {
	id      func(T) string
	columns []column[T]
}

type column[T any] struct {
	head   string
	cell   func(T) string
	narrow narrow
	least  int            // width, where cells to come may be wider than the first ones
	colour func(T) string // of a cell; may be nil
}

// narrow is what becomes of a column when the terminal is too narrow for the table.
type narrow int

const (
	stays narrow = iota
	shrinks
	goes  // when shrinking others is not enough
	wraps // into more lines; for the last column
)

// A printer writes values to standard output, each as it comes.
type printer[T any] struct {
	app   *app
	view  view[T]
	w     *bufio.Writer
	list  bool // of any number of values, not of one
	n     int
	table *table
}

// one prints a single value.
func one[T any](a *app, v view[T], value T) error {
	p := &printer[T]{app: a, view: v, w: bufio.NewWriter(a.out)}
	if err := p.print(value); err != nil {
		return err
	}
	return p.end()
}

// written adds to an error of standard output what was done before.
func written(err error, done string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s, but the output failed: %w", done, err)
}

// listOf returns a printer of a list, which must be ended.
func listOf[T any](a *app, v view[T]) *printer[T] {
	return &printer[T]{app: a, view: v, list: true, w: bufio.NewWriterSize(a.out, 64<<10)}
}

func (p *printer[T]) print(value T) error {
	p.n++
	var err error
	switch p.app.output.format {
	case formatID:
		_, err = fmt.Fprintln(p.w, p.view.id(value))
	case formatJSONL:
		err = p.writeJSON(value, "", "")
		_ = p.w.WriteByte('\n')
	case formatJSON:
		err = p.printJSON(value)
	case formatYAML:
		err = p.printYAML(value)
	default:
		p.row(value)
	}
	return err
}

// printJSON writes an object, or an element of an array.
func (p *printer[T]) printJSON(value T) error {
	if !p.list {
		defer func() { _ = p.w.WriteByte('\n') }()
		return p.writeJSON(value, "", "  ")
	}
	lead := ",\n  "
	if p.n == 1 {
		lead = "[\n  "
	}
	_, _ = p.w.WriteString(lead)
	return p.writeJSON(value, "  ", "  ")
}

func (p *printer[T]) writeJSON(value T, prefix, indent string) error {
	var data []byte
	var err error
	if indent == "" {
		data, err = json.Marshal(value)
	} else {
		data, err = json.MarshalIndent(value, prefix, indent)
	}
	if err == nil {
		_, err = p.w.Write(data)
	}
	return err
}

// printYAML writes the JSON form of a value as YAML.
func (p *printer[T]) printYAML(value T) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var doc yaml.Node
	data = unescaped.ReplaceAllFunc(data, func(r []byte) []byte { return fmt.Appendf(nil, `\u%04x`, []rune(string(r))[0]) })
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	if err := block(&doc); err != nil {
		return err
	}
	node := doc.Content[0]
	if p.list {
		node = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{node}}
	}
	enc := yaml.NewEncoder(p.w)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return err
	}
	return enc.Close()
}

var (
	// What JSON has as it is, and YAML has not.
	unescaped = regexp.MustCompile(`[\x{7f}-\x{9f}\x{feff}\x{fffe}\x{ffff}]`)
	// What YAML 1.1 reads as a value, a date or a number, and the library does not.
	oldScalar = regexp.MustCompile(`^(=|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?|[-+]?0[bx]_+)$`)
)

// block removes the style of JSON from a node. The library quotes most strings that a reader
// of YAML 1.1 or 1.2 would take for something else.
func block(n *yaml.Node) error {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		value := n.Value
		if err := n.Encode(value); err != nil {
			return err
		}
		if oldScalar.MatchString(value) {
			n.Style = yaml.DoubleQuotedStyle
		}
	}
	for _, c := range n.Content {
		if err := block(c); err != nil {
			return err
		}
	}
	return nil
}

func (p *printer[T]) row(value T) {
	if p.table == nil {
		heads := make([]head, len(p.view.columns))
		for i, c := range p.view.columns {
			heads[i] = head{c.head, c.narrow, c.least}
		}
		p.table = newTable(p.app, p.w, heads)
	}
	cells := make([]cell, len(p.view.columns))
	for i, c := range p.view.columns {
		cells[i].text = printable(c.cell(value))
		if c.colour != nil {
			cells[i].colour = c.colour(value)
		}
	}
	p.table.add(cells)
}

// flush lets what was printed be seen.
func (p *printer[T]) flush() error {
	if p.table != nil {
		p.table.settle()
	}
	if p.w.Buffered() > 0 && isTerminal(p.app.out) {
		p.app.console.done()
	}
	return p.w.Flush()
}

// end ends a list whose values are all printed. One that broke off is flushed only, so
// that what was written as JSON can't pass for whole.
func (p *printer[T]) end() error {
	if p.list && p.n == 0 {
		switch p.app.output.format {
		case formatJSON, formatYAML:
			_, _ = io.WriteString(p.w, "[]\n")
		}
	} else if p.list && p.app.output.format == formatJSON {
		_, _ = io.WriteString(p.w, "\n]\n")
	}
	return p.flush()
}
