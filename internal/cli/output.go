package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
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

const outputHelp = `Data goes to standard output; everything else goes to standard error. With -o json or jsonl,
an error is a single line of JSON on standard error, as in

    {"error": {"kind": "not_found", "exitCode": 3, "message": "..."}}

These three keys are always present; the others appear if they are known:

    kind               kind of failure: see the exit codes
    exitCode           exit code of the program
    message            what failed and why, in one line
    advice             what to do
    method, path       method and URL path of the request that failed
    status             HTTP status of its last response
    detailCode         SailPoint's error code
    trackingId         ID of the error in SailPoint's logs, for its support
    messages           SailPoint's messages, an array of strings
    attempts           number of requests that were sent
    retryAfterSeconds  wait that the service or the rate limit asks for`

// output holds the flags that select how data is written.
type output struct {
	format    string
	noHeaders bool
}

// addOutputFlag adds the flag of a command that writes data.
func (a *app) addOutputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output.format, "output", "o", formatTable, "output `format`: table, json, jsonl, yaml or id (one ID per line)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// addTableFlags adds the flags of a command whose table has a header.
func (a *app) addTableFlags(cmd *cobra.Command) {
	a.addOutputFlag(cmd)
	cmd.Flags().BoolVar(&a.output.noHeaders, "no-headers", false, "omit the table header")
}

func (o *output) check() error {
	if !slices.Contains(formats, o.format) {
		return usageErrorf("unknown output format %q (want %s or %s)", o.format, strings.Join(formats[:4], ", "), formats[4])
	}
	return nil
}

// json reports whether errors are JSON too.
func (o *output) json() bool { return o.format == formatJSON || o.format == formatJSONL }

// A view defines how values of a type are written.
type view[T any] struct {
	id      func(T) string
	columns []column[T]
}

// A column has a cell or a time for each value.
type column[T any] struct {
	head  string
	cell  func(T) string
	time  func(T) time.Time
	fit   fit
	color func(T) text.Colors // may be nil
}

// text returns a cell. A person gets the age of a time, a program the time itself.
func (c *column[T]) text(value T, person bool) string {
	switch {
	case c.time == nil:
		return printable(c.cell(value))
	case person:
		return ago(time.Now(), c.time(value))
	case c.time(value).IsZero():
		return ""
	}
	return c.time(value).UTC().Format(time.RFC3339)
}

// A printer writes values to standard output. It keeps the rows of a table on a terminal until
// the end, because the widths of the columns depend on all of them.
type printer[T any] struct {
	app      *app
	view     view[T]
	w        *bufio.Writer
	list     bool // false if the output is one value, not a list
	terminal bool // a table on a terminal
	n        int
	rows     [][]string // of a table on a terminal
	err      error      // the first error other than of w, which keeps its own
}

func newPrinter[T any](a *app, v view[T], list bool) *printer[T] {
	return &printer[T]{
		app: a, view: v, list: list, w: bufio.NewWriterSize(a.out, 64<<10),
		terminal: a.output.format == formatTable && isTerminal(a.out),
	}
}

// newProgramPrinter returns a printer that writes no table. People read notes instead.
func newProgramPrinter[T any](a *app, v view[T], list bool) *printer[T] {
	p := newPrinter(a, v, list)
	if a.output.format == formatTable {
		p.w.Reset(io.Discard)
		p.terminal = false
	}
	return p
}

// one prints a single value.
func one[T any](a *app, v view[T], value T) error {
	p := newPrinter(a, v, false)
	p.print(value)
	return p.end()
}

// fields prints a single value. A table has one line for each field.
func fields[T any](a *app, v view[T], value T) error {
	if a.output.format != formatTable {
		return one(a, v, value)
	}
	type field struct{ name, value string }
	p := newPrinter(a, view[field]{columns: []column[field]{
		{cell: func(f field) string { return f.name }},
		{cell: func(f field) string { return f.value }, fit: wrap},
	}}, true)
	for _, c := range v.columns {
		p.print(field{c.head, cmp.Or(c.text(value, false), "-")})
	}
	return p.end()
}

// outputError returns an error that also names the change that was made, or nil if the output
// succeeded.
func outputError(err error, done string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s, but the output failed: %w", done, err)
}

func (p *printer[T]) print(value T) {
	p.n++
	switch p.app.output.format {
	case formatID:
		_, _ = fmt.Fprintln(p.w, printable(p.view.id(value)))
	case formatJSON:
		p.printJSON(value)
	case formatJSONL:
		p.write(marshal(value, "", ""))
	case formatYAML:
		p.printYAML(value)
	default:
		p.printRow(value)
	}
}

// printJSON writes an object, or an element of an array.
func (p *printer[T]) printJSON(value T) {
	switch {
	case !p.list:
		p.write(marshal(value, "", "  "))
		return
	case p.n == 1:
		_, _ = p.w.WriteString("[\n  ")
	default:
		_, _ = p.w.WriteString(",\n  ")
	}
	data, err := marshal(value, "  ", "  ")
	p.write(bytes.TrimSuffix(data, []byte("\n")), err)
}

// write writes the form of a value, or keeps the error of making it.
func (p *printer[T]) write(data []byte, err error) {
	if p.err == nil {
		p.err = err
	}
	_, _ = p.w.Write(data)
}

// marshal returns value as JSON with a final line break. Unlike json.Marshal, it escapes
// characters that control a terminal, but not <, > and &.
func marshal(value any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, indent)
	err := enc.Encode(value)
	return unescaped.ReplaceAllFunc(b.Bytes(), func(r []byte) []byte { return fmt.Appendf(nil, `\u%04x`, []rune(string(r))[0]) }), err
}

// unescaped matches characters that JSON allows unescaped: controls, marks of the direction of
// text and, which YAML does not allow, noncharacters.
var unescaped = regexp.MustCompile(`[\x{7f}-\x{9f}\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}\x{fffe}\x{ffff}]`)

// printYAML writes the JSON form of a value as YAML. A value with escapes stays JSON, which is
// YAML too: the YAML encoder would write some of them as characters.
func (p *printer[T]) printYAML(value T) {
	data, err := marshal(value, "", "")
	if p.list {
		data = slices.Concat([]byte("- "), data)
	}
	var generic any
	if err == nil && !bytes.Contains(data, []byte(`\u`)) {
		if err = yaml.Unmarshal(data, &generic); err == nil {
			data, err = yaml.Marshal(generic)
		}
	}
	p.write(data, err)
}

func (p *printer[T]) printRow(value T) {
	if head := p.view.columns[0].head; p.n == 1 && head != "" && !p.app.output.noHeaders {
		p.addRow(func(c column[T]) string {
			if p.terminal {
				return text.Bold.Sprint(c.head)
			}
			return c.head
		})
	}
	p.addRow(func(c column[T]) string {
		cell := c.text(value, p.terminal)
		if p.terminal && c.color != nil {
			return c.color(value).Sprint(cell)
		}
		return cell
	})
}

func (p *printer[T]) addRow(text func(column[T]) string) {
	row := make([]string, len(p.view.columns))
	for i, c := range p.view.columns {
		row[i] = text(c)
	}
	if p.terminal {
		p.rows = append(p.rows, row)
		return
	}
	_, _ = fmt.Fprintln(p.w, strings.Join(row, "\t"))
}

// flush writes the values so far, except in a table on a terminal.
func (p *printer[T]) flush() error { return errors.Join(p.err, p.w.Flush()) }

// end ends the output. Call it even if a list fails, so that JSON is valid.
func (p *printer[T]) end() error {
	format := p.app.output.format
	switch {
	case p.list && p.n == 0 && (format == formatJSON || format == formatYAML):
		_, _ = io.WriteString(p.w, "[]\n")
	case p.list && format == formatJSON:
		_, _ = io.WriteString(p.w, "\n]\n")
	case len(p.rows) > 0:
		fits := make([]fit, len(p.view.columns))
		for i, c := range p.view.columns {
			fits[i] = c.fit
		}
		_, _ = io.WriteString(p.w, renderTable(p.rows, fits, widthOf(p.app.out)))
	}
	if p.terminal {
		p.app.console.clear()
	}
	return p.flush()
}
