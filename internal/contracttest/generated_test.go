package contracttest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The public names that are generated. A change of the contract must not change the public
// package unseen: correct this list, and write the comments of new fields in the overlay.
var publicNames = []string{
	"Customizer", "Customizer.ID", "Customizer.Name", "Customizer.ImageVersion", "Customizer.ImageID", "Customizer.TenantID", "Customizer.Created",
	"Version", "Version.CustomizerID", "Version.ImageID", "Version.Version", "Version.Created",
}

func TestPublicNames(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../types.gen.go", nil, parser.ParseComments)
	require.NoError(t, err)
	var names []string
	add := func(prefix string, ident *ast.Ident, doc *ast.CommentGroup) {
		names = append(names, prefix+ident.Name)
		assert.True(t, strings.HasPrefix(doc.Text(), ident.Name+" "), "%s%s has no comment", prefix, ident.Name)
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			add("", decl.Name, decl.Doc)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						add("", name, decl.Doc)
					}
				case *ast.TypeSpec:
					add("", spec.Name, decl.Doc)
					if s, ok := spec.Type.(*ast.StructType); ok {
						for _, field := range s.Fields.List {
							add(spec.Name.Name+".", field.Names[0], field.Doc)
						}
					}
				}
			}
		}
	}
	assert.ElementsMatch(t, publicNames, names)
}

// The overlay describes the properties that the contract has. Otherwise the generator would add
// a property that does not exist, or take a comment that does not begin with a verb.
func TestOverlay(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../oapi-codegen.overlay.yaml")
	require.NoError(t, err)
	var overlay struct {
		Actions []struct {
			Target string
			Update struct {
				Properties map[string]struct{ Description string }
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(data, &overlay))
	schemas := contract(t).Components.Schemas
	described := 0
	for _, action := range overlay.Actions {
		name, ok := strings.CutPrefix(action.Target, "$.components.schemas.")
		if !ok || action.Update.Properties == nil {
			continue
		}
		described++
		require.Contains(t, schemas, name)
		for property := range properties(schemas[name].Value) {
			assert.Regexp(t, `^[a-z].*\.$`, action.Update.Properties[property].Description, "the comment of %s.%s in the overlay is a sentence without its subject", name, property)
		}
		for property := range action.Update.Properties {
			assert.Contains(t, properties(schemas[name].Value), property, "the overlay adds %s.%s", name, property)
		}
	}
	assert.Equal(t, 2, described, "Customizer and Version")
}

// Generated files add nothing to the documentation of their packages.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	files := 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == "build") {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".gen.go") {
			return err
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if assert.NoError(t, err) {
			assert.Empty(t, file.Doc.Text(), path)
			assert.True(t, ast.IsGenerated(file), path)
		}
		return nil
	}))
	assert.NotZero(t, files)
}
