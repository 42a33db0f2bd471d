package customizers_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Everything that is exported has a comment, in the form of Go's documentation, whose
// links lead somewhere.
func TestDocComments(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{".", "deploy", "customizerstest"} {
		p := packageDoc(t, dir)
		texts := map[string]string{dir: p.Doc}
		value := func(v *doc.Value) {
			text := v.Doc // of the group, which may speak for all
			for _, spec := range v.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				text += s.Doc.Text() + s.Comment.Text()
			}
			for _, name := range v.Names {
				texts[name] = text
			}
		}
		function := func(of string, f *doc.Func) { texts[of+f.Name] = f.Doc }
		for _, v := range append(p.Consts, p.Vars...) {
			value(v)
		}
		for _, f := range p.Funcs {
			function("", f)
		}
		for _, typ := range p.Types {
			texts[typ.Name] = typ.Doc
			for _, v := range append(typ.Consts, typ.Vars...) {
				value(v)
			}
			for _, f := range typ.Funcs {
				function("", f)
			}
			for _, f := range typ.Methods {
				function(typ.Name+".", f)
			}
		}
		require.Greater(t, len(texts), 5, dir)
		for name, text := range texts {
			if assert.NotEmpty(t, strings.TrimSpace(text), "%s in %s has no comment", name, dir) {
				for _, link := range unresolved(p, text) {
					assert.Fail(t, "a link leads nowhere", "%s of %s in %s", link, name, dir)
				}
			}
		}
	}
}

// packageDoc reads the documentation of a package.
func packageDoc(t *testing.T, dir string) *doc.Package {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/connector-customizers/customizers/"+dir)
	require.NoError(t, err)
	return p
}

// unresolved returns what looks like a link to Go and is none.
func unresolved(p *doc.Package, text string) (out []string) {
	var visit func([]comment.Text)
	visit = func(texts []comment.Text) {
		for _, t := range texts {
			switch t := t.(type) {
			case comment.Plain:
				out = append(out, regexp.MustCompile(`\[\*?[A-Za-z]\w*(\.\w+)*\]`).FindAllString(string(t), -1)...)
			case *comment.Link:
				visit(t.Text)
			}
		}
	}
	var blocks func([]comment.Block)
	blocks = func(all []comment.Block) {
		for _, b := range all {
			switch b := b.(type) {
			case *comment.Paragraph:
				visit(b.Text)
			case *comment.Heading:
				visit(b.Text)
			case *comment.List:
				for _, item := range b.Items {
					blocks(item.Content)
				}
			}
		}
	}
	blocks(p.Parser().Parse(text).Content)
	return out
}
