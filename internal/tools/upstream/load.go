package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	maxSize     = 128 << 20
	readTimeout = 2 * time.Minute
)

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// relative is the name of what a document refers to by ref.
func relative(document, ref string) (string, error) {
	if isURL(ref) || !isURL(document) {
		if isURL(ref) || filepath.IsAbs(ref) {
			return ref, nil
		}
		return filepath.Join(filepath.Dir(document), filepath.FromSlash(ref)), nil
	}
	base, err := url.Parse(document)
	if err != nil {
		return "", err
	}
	to, err := base.Parse(ref)
	if err != nil {
		return "", err
	}
	return to.String(), nil
}

// read answers what a file or a URL holds, of maxSize at most.
func read(ctx context.Context, name string) (_ []byte, err error) {
	var body io.ReadCloser
	if isURL(name) {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		body, err = get(ctx, name)
	} else {
		body, err = os.Open(name) //nolint:gosec // G304: reading the file that it is told to is its job
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(io.LimitReader(body, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxSize>>20)
	}
	return data, nil
}

func get(ctx context.Context, address string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s answered %s", address, resp.Status)
	}
	return resp.Body, nil
}

// parse reads JSON, or else YAML, as encoding/json would: objects with strings for keys.
func parse(data []byte) (map[string]any, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	var tree any
	switch {
	case len(data) == 0:
		return nil, errors.New("it is empty")
	case data[0] == '<':
		return nil, errors.New("it is HTML or XML, not YAML or JSON")
	case data[0] == '{':
		if err := json.Unmarshal(data, &tree); err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
	default:
		if err := yaml.Unmarshal(data, &tree); err != nil {
			return nil, fmt.Errorf("it is not YAML: %w", err)
		}
	}
	object, ok := stringKeys(tree).(map[string]any)
	if !ok {
		return nil, errors.New("it is not an object")
	}
	return object, nil
}

// stringKeys makes strings of YAML's keys, of which statuses are numbers.
func stringKeys(node any) any {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			node[key] = stringKeys(value)
		}
	case map[any]any:
		object := make(map[string]any, len(node))
		for key, value := range node {
			object[fmt.Sprint(key)] = stringKeys(value)
		}
		return object
	case []any:
		for i, value := range node {
			node[i] = stringKeys(value)
		}
	}
	return node
}
