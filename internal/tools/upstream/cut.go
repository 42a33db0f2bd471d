package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// customizers matches a path to connector customizers as the yearly specifications, the
// one of the service and servers with or without a version have it.
var customizers = regexp.MustCompile(`^(?:/v[0-9]+|/beta)?/connector-customizers(?:/v[0-9]+)?(/.*)?$`)

var methods = []string{"delete", "get", "head", "options", "patch", "post", "put", "trace"}

// cutOf cuts the operations on connector customizers out of a specification, with what
// they refer to. Texts, examples and names of operations, which change nothing on the
// wire, are left out.
func cutOf(ctx context.Context, name string) ([]byte, error) {
	c := &cutter{ctx: ctx, root: name, documents: map[string]map[string]any{}, components: map[string]any{}}
	cut, err := c.cut()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	data, err := json.MarshalIndent(cut, "", "  ")
	return append(data, '\n'), err
}

type cutter struct {
	ctx        context.Context //nolint:containedctx // a cutter lives for one call
	root       string
	documents  map[string]map[string]any // by name
	components map[string]any            // of the cut, by kind and name
	inlining   []string                  // the references being followed into other documents
}

func (c *cutter) cut() (map[string]any, error) {
	spec, err := c.document(c.root)
	if err != nil {
		return nil, err
	}
	version, _ := spec["openapi"].(string)
	switch swagger := spec["swagger"]; {
	case swagger != nil:
		return nil, fmt.Errorf("it is Swagger %v: OpenAPI 3 is needed", swagger)
	case !strings.HasPrefix(version, "3."):
		return nil, errors.New("it is not an OpenAPI 3 specification: there is no openapi: 3.x")
	}
	from := map[string]string{}
	paths := map[string]any{}
	all, _ := spec["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		match := customizers.FindStringSubmatch(path)
		if match == nil {
			continue
		}
		to := "/connector-customizers" + strings.TrimSuffix(match[1], "/")
		if other, taken := from[to]; taken {
			return nil, fmt.Errorf("it has both %s and %s, of which one is to be compared", other, path)
		}
		from[to] = path
		if paths[to], err = c.pathItem(spec, all[path]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("none of its %d paths is one of connector customizers", len(all))
	}
	info, _ := spec["info"].(map[string]any)
	about := map[string]any{
		"title":   "The structure of SailPoint's published operations on connector customizers, without its texts",
		"version": fmt.Sprint(info["version"]),
	}
	if license := info["license"]; license != nil {
		about["license"] = license
	}
	return map[string]any{"openapi": version, "info": about, "paths": paths, "components": c.components}, nil
}

// pathItem cuts one path: its operations, each with the security that it has by default.
func (c *cutter) pathItem(spec map[string]any, node any) (map[string]any, error) {
	cut, err := c.object(c.root, node, false)
	if err != nil {
		return nil, err
	}
	item, _ := cut.(map[string]any)
	for key := range item {
		if key != "parameters" && !slices.Contains(methods, key) {
			delete(item, key)
		}
	}
	for _, method := range methods {
		operation, ok := item[method].(map[string]any)
		if !ok {
			continue
		}
		if _, ok := operation["security"]; !ok && spec["security"] != nil {
			operation["security"] = spec["security"]
		}
		if err := c.securitySchemes(spec, operation["security"]); err != nil {
			return nil, err
		}
	}
	return item, nil
}

// securitySchemes cuts the schemes that an operation names.
func (c *cutter) securitySchemes(spec map[string]any, security any) error {
	alternatives, _ := security.([]any)
	for _, alternative := range alternatives {
		schemes, _ := alternative.(map[string]any)
		for name := range schemes {
			if err := c.component(spec, "securitySchemes", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// component cuts a component of the root document, once.
func (c *cutter) component(spec map[string]any, kind, name string) error {
	cut, _ := c.components[kind].(map[string]any)
	if cut == nil {
		cut = map[string]any{}
		c.components[kind] = cut
	}
	if _, done := cut[name]; done {
		return nil
	}
	node, err := lookUp(spec, "/components/"+escape(kind)+"/"+escape(name))
	if err != nil {
		return err
	}
	cut[name] = nil // so that a schema may refer to itself
	cut[name], err = c.object(c.root, node, kind == "responses")
	return err
}

// object cuts a node of a document that is not a map of names. isResponse says that it
// may not be without a description.
func (c *cutter) object(document string, node any, isResponse bool) (any, error) {
	switch node := node.(type) {
	case []any:
		cut := make([]any, len(node))
		for i, value := range node {
			var err error
			if cut[i], err = c.object(document, value, false); err != nil {
				return nil, err
			}
		}
		return cut, nil
	case map[string]any:
		if ref, ok := node["$ref"].(string); ok {
			return c.reference(document, ref, isResponse)
		}
		cut := map[string]any{}
		for key, value := range node {
			var err error
			switch {
			case isText(key):
				continue
			case key == "default", key == "enum", key == "const", key == "required", key == "security":
				cut[key] = value
			case key == "scopes":
				cut[key] = blank(value)
			case isNames(key):
				cut[key], err = c.names(document, value, key == "responses")
			default:
				cut[key], err = c.object(document, value, false)
			}
			if err != nil {
				return nil, err
			}
		}
		if isResponse {
			cut["description"] = ""
		}
		return cut, nil
	}
	return node, nil
}

// names cuts a map of names, each of which may be that of a field elsewhere.
func (c *cutter) names(document string, node any, areResponses bool) (any, error) {
	named, ok := node.(map[string]any)
	if !ok {
		return c.object(document, node, false)
	}
	cut := make(map[string]any, len(named))
	for name, value := range named {
		var err error
		if cut[name], err = c.object(document, value, areResponses); err != nil {
			return nil, err
		}
	}
	return cut, nil
}

// reference keeps a reference to a component of the root document, and cuts that
// component; what is elsewhere takes the reference's place.
func (c *cutter) reference(document, ref string, isResponse bool) (any, error) {
	file, pointer, _ := strings.Cut(ref, "#")
	target := document
	if file != "" {
		var err error
		if target, err = relative(document, file); err != nil {
			return nil, err
		}
	}
	tree, err := c.document(target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	if parts := strings.Split(pointer, "/"); target == c.root && len(parts) == 4 && parts[1] == "components" && parts[2] != "pathItems" {
		err := c.component(tree, unescape(parts[2]), unescape(parts[3]))
		return map[string]any{"$ref": "#" + pointer}, err
	}
	at := target + "#" + pointer
	if slices.Contains(c.inlining, at) {
		return nil, fmt.Errorf("%s refers to itself", ref)
	}
	node, err := lookUp(tree, pointer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	c.inlining = append(c.inlining, at)
	defer func() { c.inlining = c.inlining[:len(c.inlining)-1] }()
	return c.object(target, node, isResponse)
}

func (c *cutter) document(name string) (map[string]any, error) {
	if tree, ok := c.documents[name]; ok {
		return tree, nil
	}
	data, err := read(c.ctx, name)
	if err != nil {
		return nil, err
	}
	tree, err := parse(data)
	if err != nil {
		return nil, err
	}
	c.documents[name] = tree
	return tree, nil
}

// lookUp follows a JSON pointer.
func lookUp(tree any, pointer string) (any, error) {
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		object, _ := tree.(map[string]any)
		child, ok := object[unescape(part)]
		if !ok {
			return nil, fmt.Errorf("there is no %s", pointer)
		}
		tree = child
	}
	return tree, nil
}

var escapes, unescapes = strings.NewReplacer("~", "~0", "/", "~1"), strings.NewReplacer("~1", "/", "~0", "~")

func escape(name string) string   { return escapes.Replace(name) }
func unescape(part string) string { return unescapes.Replace(part) }

// isText tells of fields that don't bind anybody: words, examples, what only names or
// groups operations, and extensions but the one that says who may call.
func isText(key string) bool {
	switch key {
	case "description", "example", "examples", "externalDocs", "operationId", "servers", "summary", "tags", "title":
		return true
	}
	return strings.HasPrefix(key, "x-") && key != "x-sailpoint-userLevels"
}

// isNames tells of fields whose own fields are names.
func isNames(key string) bool {
	switch key {
	case "$defs", "callbacks", "content", "dependentSchemas", "encoding", "headers", "links", "mapping", "patternProperties", "properties", "responses":
		return true
	}
	return false
}

// blank keeps the names of scopes and not what is said of them.
func blank(scopes any) any {
	named, ok := scopes.(map[string]any)
	if !ok {
		return scopes
	}
	cut := make(map[string]any, len(named))
	for name := range named {
		cut[name] = ""
	}
	return cut
}
