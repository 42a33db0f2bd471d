package archive_test

import (
	"archive/zip"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/internal/archive"
)

func TestLook(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files []string
		want  string
	}{
		"name with a dot":      {[]string{"./", "", "./index.js", "exports.connectorCustomizer = 1"}, ""},
		"empty file":           {[]string{"index.js", ""}, "index.js in hr.zip is empty"},
		"blank file":           {[]string{"index.js", " \r\n"}, "index.js in hr.zip is empty"},
		"folder":               {[]string{"index.js/", "", "a.js", "1"}, "hr.zip has no index.js at the root, only a.js"},
		"project":              {[]string{"package.json", "{}", "src/index.ts", "", "dist/index.js", ""}, "hr.zip has no index.js at the root, only dist/index.js, package.json, src/index.ts (unpack it and use dist)"},
		"project, not built":   {[]string{"package.json", "{}", "src/index.ts", ""}, "(run 'npm run build' and use its folder dist)"},
		"archive in archive":   {[]string{"hr-feed.zip", "", "a.txt", ""}, "only a.txt, hr-feed.zip (unpack it and use hr-feed.zip)"},
		"index.js in a folder": {[]string{"lib/index.js", ""}, "only lib/index.js (unpack it and use lib)"},
		"other files":          {[]string{"f", "", "a", "", "b", "", "c", "", "d", "", "e", ""}, "only a, b, c, d, e, and 1 more (want the folder or the zip file of a build)"},
		"another case":         {[]string{"Index.js", ""}, "no index.js at the root"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := open(t, zipOf(t, zip.Deflate, tt.files...))
			warning, err := f.Look(t.Context(), "hr.zip")
			assert.Empty(t, warning)
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
				assert.Equal(t, !strings.Contains(tt.want, "empty"), errors.Is(err, archive.ErrNoIndex))
			}
		})
	}
}

func TestLookWarns(t *testing.T) {
	t.Parallel()
	const (
		word    = "index.js does not mention connectorCustomizer"
		sdk     = "index.js imports @sailpoint/connector-sdk, which is not in the archive"
		nothing = "index.js exports nothing"
		es      = `index.js is an ES module, but the archive has no package.json with "type": "module"`
	)
	for name, tt := range map[string]struct {
		index string
		more  []string
		want  string
	}{
		"CommonJS":                    {"exports.connectorCustomizer = 1", nil, ""},
		"CommonJS, minified":          {`"use strict";Object.defineProperty(exports,"__esModule",{value:!0}),exports.connectorCustomizer=()=>1`, nil, ""},
		"CommonJS of esbuild":         {"var require_x = __commonJS({\n  \"x.js\"(exports2, module2) {\n    module2.exports = 1;\n  }\n});\nmodule.exports = __toCommonJS(index_exports);\nvar connectorCustomizer = 1;", nil, ""},
		"CommonJS of ncc":             {"(()=>{var e={5:(e,t)=>{t.connectorCustomizer=1}};module.exports=n(5)})();", nil, ""},
		"CommonJS after 128 KiB":      {strings.Repeat("x\n", 1<<16) + "exports.connectorCustomizer = 1", nil, ""},
		"file after 8 MiB":            {strings.Repeat("x\n", 5<<20) + "exports.connectorCustomizer = 1", nil, ""},
		"file of another":             {`module.exports = require("./main.js")`, []string{"main.js", "exports.connectorCustomizer = 1"}, ""},
		"UMD":                         {"(function (g, f) { typeof exports === 'object' ? f(exports) : f(g) })(this, function (exports) { exports.connectorCustomizer = 1 })", nil, ""},
		"UMD, minified":               {`!function(e,t){"object"==typeof exports&&"undefined"!=typeof module?t(exports):t((e=globalThis).c={})}(this,(function(e){e.connectorCustomizer=1}));`, nil, ""},
		"another export":              {"exports.x = 1", nil, word},
		"two words":                   {"exports.x = 'connector Customizer'", nil, word},
		"unbundled":                   {"const sdk = require(\"@sailpoint/connector-sdk\");\nexports.connectorCustomizer = 1", nil, sdk},
		"unbundled, minified":         {"import{createConnectorCustomizer as c}from'@sailpoint/connector-sdk';export{c as connectorCustomizer}", []string{"package.json", `{"type": "module"}`}, sdk},
		"unbundled, with the package": {"const sdk = require(\"@sailpoint/connector-sdk\");\nexports.connectorCustomizer = 1", []string{"node_modules/@sailpoint/connector-sdk/index.js", "1"}, ""},
		"IIFE":                        {"(() => {\n  var connectorCustomizer = 1;\n})();", nil, nothing},
		"IIFE with CommonJS in it":    {"var index = (() => {\n  var require_x = __commonJS({\n    \"x.js\"(exports, module) {\n      module.exports = 1;\n    }\n  });\n  __export(index_exports, { connectorCustomizer: () => 1 });\n})();", nil, nothing},
		"IIFE, minified":              {"(()=>{var a=(e,t)=>()=>(t||e((t={exports:{}}).exports,t),t.exports);var connectorCustomizer=1})();", nil, nothing},
		"comment":                     {"// built", nil, nothing},
		"ES module":                   {"export const connectorCustomizer = 1", nil, es},
		"ES module of esbuild":        {"var require_x = __commonJS({\n  \"x.js\"(exports) {\n    exports.y = 1;\n  }\n});\nexport {\n  connectorCustomizer\n};", nil, es},
		"ES module, minified":         {"var a=1;export{a as connectorCustomizer};", nil, es},
		"ES module, CommonJS project": {"export const connectorCustomizer = 1", []string{"package.json", `{"type": "commonjs"}`}, es},
		"ES module, broken project":   {"export const connectorCustomizer = 1", []string{"package.json", `{"type": `}, es},
		"ES module in its project":    {"export const connectorCustomizer = 1", []string{"package.json", `{"type": "module"}`}, ""},
		"ES module of another":        {"export * from './main.js'", []string{"package.json", `{"type": "module"}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := open(t, zipOf(t, zip.Store, append([]string{"index.js", tt.index}, tt.more...)...))
			warning, err := f.Look(t.Context(), "hr.zip")
			require.NoError(t, err)
			assert.Contains(t, warning, tt.want)
			assert.Equal(t, tt.want == "", warning == "", warning)
		})
	}
}
