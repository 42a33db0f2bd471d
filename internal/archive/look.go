package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ErrNoIndex reports that an archive lacks the file that the service runs.
var ErrNoIndex = errors.New("no index.js at the root")

// NoIndex returns ErrNoIndex for a zip file or folder. It lists the names that source has
// instead, and suggests another path.
func NoIndex(source string, folder bool, names []string) error {
	slices.Sort(names)
	better := meant(names)
	advice := "want the folder or the zip file of a build"
	switch {
	case slices.Contains(names, "package.json") && better != "dist":
		advice = "run 'npm run build' and use its folder dist"
	case better != "" && folder:
		advice = "use " + filepath.Join(source, filepath.FromSlash(better))
	case better != "":
		advice = "unpack it and use " + better
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return fmt.Errorf("%s has %w, only %s (%s)", source, ErrNoIndex, strings.Join(names, ", "), advice)
}

// meant returns the folder or zip file that the user probably meant, or "".
func meant(names []string) string {
	if slices.Contains(names, "dist/index.js") {
		return "dist"
	}
	for _, name := range names {
		switch {
		case path.Base(name) == "index.js":
			return path.Dir(name)
		case strings.HasSuffix(name, ".zip"):
			return name
		}
	}
	return ""
}

// Look checks that the archive has the file that the service runs: index.js at the root. The
// warning says why the service may not run it.
func (a *File) Look(ctx context.Context, source string) (warning string, err error) {
	z, err := zip.NewReader(Reader{ctx, a.file}, a.size)
	if err != nil {
		return "", err
	}
	files := map[string]*zip.File{}
	var names []string
	hasSDK := false
	for _, f := range z.File {
		if name := path.Clean(f.Name); !strings.HasSuffix(f.Name, "/") {
			files[name], names = f, append(names, name)
			hasSDK = hasSDK || strings.HasPrefix(name, "node_modules/@sailpoint/connector-sdk/")
		}
	}
	if files["index.js"] == nil {
		return "", NoIndex(source, false, names)
	}
	index, err := head(files["index.js"])
	if err != nil {
		return "", err
	}
	var project struct{ Type string }
	if f := files["package.json"]; f != nil {
		data, err := head(f)
		if err != nil {
			return "", err
		}
		_ = json.Unmarshal(data, &project)
	}
	if len(bytes.TrimSpace(index)) == 0 {
		return "", fmt.Errorf("index.js in %s is empty", source)
	}
	return warningOn(index, hasSDK, project.Type == "module"), nil
}

// lookAt limits the memory for looking at a file. Bundles have a few megabytes.
const lookAt = 8 << 20

func head(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(io.LimitReader(r, lookAt))
}

var (
	importsSDK   = regexp.MustCompile("\\b(?:require\\(|from|import)\\s*[\"'`]@sailpoint/connector-sdk[\"'`]")
	importsLocal = regexp.MustCompile("\\b(?:require\\(|from|import)\\s*[\"'`]\\./")
	commonJS     = regexp.MustCompile(`\bmodule\.exports\b|(?:^|[^.\w$])exports\s*[.\[,)]`)
	esModule     = regexp.MustCompile(`(?m)(?:^|[;}])\s*export\s*(?:[{*]|(?:default|const|let|var|async|function|class)\b)`)
	// If the whole file is not CommonJS, esbuild gives the CommonJS modules in it these parameters.
	wrapped = regexp.MustCompile(`"\(exports(?:, module)?\) \{`)
)

// warningOn returns why the service may not run index.js, or "".
func warningOn(index []byte, hasSDK, module bool) string {
	if len(index) == lookAt { // the rest may have what is missing
		return ""
	}
	exports := commonJS.Match(index) && !wrapped.Match(index)
	switch {
	case !hasSDK && importsSDK.Match(index):
		return "index.js imports @sailpoint/connector-sdk, which is not in the archive: bundle it into index.js"
	case !exports && !esModule.Match(index):
		return "index.js exports nothing, but must export connectorCustomizer"
	case !exports && !module:
		return `index.js is an ES module, but the archive has no package.json with "type": "module"`
	case !bytes.Contains(index, []byte("connectorCustomizer")) && !importsLocal.Match(index):
		return "index.js does not mention connectorCustomizer, the export that the service calls"
	}
	return ""
}
