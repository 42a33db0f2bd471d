package deploy_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// A run links the instances after the upload. A second run changes nothing.
func TestRunLinks(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		all := srv.Instances()
		opts := deploy.Options{Record: record, Link: []string{all[0].Name, strings.ToUpper(all[1].ID), all[0].ID}} // one of them twice

		dry := opts
		dry.DryRun = true
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, dry)
		require.NoError(t, err)
		assert.Len(t, r.Linked, 2)
		assert.Equal(t, all, srv.Instances())

		r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, opts)
		require.NoError(t, err)
		require.Len(t, r.Linked, 2)
		for i, instance := range srv.Instances()[:2] {
			assert.Equal(t, r.Customizer.ID, instance.CustomizerID)
			assert.Equal(t, r.Linked[i].ID, instance.ID)
		}
		assert.Empty(t, srv.Instances()[2].CustomizerID)

		before := changes(srv)
		r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, opts)
		require.NoError(t, err)
		assert.Empty(t, r.Linked)
		assert.False(t, r.Uploaded)
		assert.Equal(t, before, changes(srv))
	}, customizerstest.WithInstanceCount(3))
}

// Nothing is changed if an instance does not exist.
func TestRunLinksUnknownInstance(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Link: []string{"instance-000001", "nowhere"}})
		require.ErrorIs(t, err, customizers.ErrNotFound)
		require.ErrorContains(t, err, `no connector instance has the ID or name "nowhere"`)
		assert.Empty(t, changes(srv))
	}, customizerstest.WithInstanceCount(1))
}

// If a link fails, Run returns the result of the upload and the error.
func TestRunLinkFails(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		srv.Inject(customizerstest.Fault{Operation: customizerstest.UpdateInstance, Status: http.StatusForbidden})
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Link: []string{"instance-000001"}})
		require.ErrorIs(t, err, customizers.ErrForbidden)
		require.ErrorContains(t, err, "linking instance-000001")
		require.NotNil(t, r)
		assert.True(t, r.Uploaded)
		assert.Empty(t, r.Linked)
	}, customizerstest.WithInstanceCount(1))
}

// The service runs index.js at the root of the archive.
func TestRunChecksForIndexJS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		says  string // of the error
		warns string
	}{
		"a build":        {files: map[string]string{"index.js": "exports.connectorCustomizer = 1"}},
		"another export": {files: map[string]string{"index.js": "exports.x = 1"}, warns: "does not mention connectorCustomizer"},
		"a project":      {files: map[string]string{"package.json": "{}", "src/index.ts": "", "dist/index.js": ""}, says: "/dist)"},
	} {
		dir := folder(t, tt.files)
		srv := customizerstest.NewServer(customizerstest.WithoutSocket())
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		if tt.says == "" {
			require.NoError(t, err, name)
			assert.Contains(t, r.Warning, tt.warns, name)
			assert.Equal(t, tt.warns == "", r.Warning == "", name)
			continue
		}
		require.ErrorIs(t, err, customizers.ErrInvalidArgument, name)
		require.ErrorContains(t, err, tt.says, name)
		assert.Empty(t, srv.Requests(), name)
		_, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{AllowMissingIndex: true})
		require.NoError(t, err, name)
	}
}
