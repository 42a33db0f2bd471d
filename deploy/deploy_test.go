package deploy_test

import (
	"archive/zip"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// bubble runs a test with a fake tenant in virtual time.
func bubble(t *testing.T, f func(*testing.T, *customizerstest.Server), opts ...customizerstest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		f(t, customizerstest.NewServer(append(opts, customizerstest.WithoutSocket())...))
	})
}

// folder creates a folder with files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

func simple(t *testing.T) string {
	t.Helper()
	return folder(t, map[string]string{"index.js": "exports.connectorCustomizer = 1\n"})
}

// operations returns the operations of the requests to a tenant.
func operations(srv *customizerstest.Server, of ...customizerstest.Operation) (all []customizerstest.Operation) {
	for _, r := range srv.Requests(of...) {
		all = append(all, r.Operation)
	}
	return all
}

// changes returns the operations that may change something.
func changes(srv *customizerstest.Server) []customizerstest.Operation {
	return operations(srv, customizerstest.Create, customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion)
}

// A stub is a client of a service with delays: its list hides customizers, and it shows a
// version late.
type stub struct {
	deploy.Client

	hides        func(customizers.Customizer) bool
	shownAt      time.Time
	missingUntil time.Time           // Get, CreateVersion and the PATCH of an instance say 404 until then
	image        string              // of the customizers that Get returns
	rename       func(string) string // returns the service's name of a new customizer
	afterCreate  func()
}

func (s *stub) All(ctx context.Context, opts customizers.ListOptions) iter.Seq2[customizers.Customizer, error] {
	return func(yield func(customizers.Customizer, error) bool) {
		for c, err := range s.Client.All(ctx, opts) {
			if (s.hides == nil || !s.hides(c)) && !yield(c, err) {
				return
			}
		}
	}
}

func (s *stub) missing() error {
	if time.Now().Before(s.missingUntil) {
		return fmt.Errorf("%w: not yet", customizers.ErrNotFound)
	}
	return nil
}

func (s *stub) Get(ctx context.Context, id string) (*customizers.Customizer, error) {
	if err := s.missing(); err != nil {
		return nil, err
	}
	c, err := s.Client.Get(ctx, id)
	if err == nil && time.Now().Before(s.shownAt) {
		c.ImageVersion--
	}
	if err == nil && s.image != "" {
		c.ImageID = s.image
	}
	return c, err
}

func (s *stub) Create(ctx context.Context, r customizers.CreateRequest) (*customizers.Customizer, error) {
	if s.rename != nil {
		r.Name = s.rename(r.Name)
	}
	c, err := s.Client.Create(ctx, r)
	if s.afterCreate != nil {
		s.afterCreate()
	}
	return c, err
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		start := time.Now()
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.NoError(t, err)
		assert.Zero(t, time.Since(start), "no wait")
		assert.Equal(t, []customizerstest.Operation{customizerstest.Token, customizerstest.List, customizerstest.List, customizerstest.Create,
			customizerstest.List, customizerstest.List, customizerstest.CreateVersion, customizerstest.Get}, operations(srv))
		c, err := srv.Client().Get(t.Context(), r.Customizer.ID)
		require.NoError(t, err)
		assert.Equal(t, &deploy.Result{Customizer: *c, Created: true, Uploaded: true, NewVersion: 1, ContentSHA256: r.ContentSHA256}, r)

		// Without a record, the same content is uploaded again.
		r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.NoError(t, err)
		c.ImageVersion, c.ImageID = 2, r.Customizer.ImageID
		assert.Equal(t, &deploy.Result{Customizer: *c, Uploaded: true, OldVersion: 1, NewVersion: 2, ContentSHA256: r.ContentSHA256}, r)
		assert.Len(t, srv.Customizers(), 301)
	}, customizerstest.WithCustomizerCount(300))
}

func TestRunWithAnID(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		id := srv.Add("twin", "twin")[1].ID
		srv.Add(id) // a name that is the ID of another
		r, err := deploy.Run(t.Context(), srv.Client(), id, dir, deploy.Options{})
		require.NoError(t, err)
		assert.Equal(t, id, r.Customizer.ID)
		assert.Len(t, srv.Versions(id), 1)

		_, err = deploy.Run(t.Context(), srv.Client(), "a0b1c2d3-0000-4000-8000-000000000000", dir, deploy.Options{})
		require.ErrorIs(t, err, customizers.ErrNotFound, "an ID is not used as a name")
		assert.Len(t, changes(srv), 1)
	})
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		dry := deploy.Options{DryRun: true, Record: record}
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, dry)
		require.NoError(t, err)
		assert.Equal(t, &deploy.Result{Customizer: customizers.Customizer{Name: "hr-feed"}, NewVersion: 1, ContentSHA256: r.ContentSHA256, DryRun: true, WouldCreate: true, WouldUpload: true}, r)
		assert.Empty(t, changes(srv))
		assert.NoFileExists(t, record)

		_, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
		require.NoError(t, err)
		before := changes(srv)
		r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, dry)
		require.NoError(t, err)
		assert.False(t, r.Created)
		assert.False(t, r.Uploaded)
		assert.Equal(t, before, changes(srv))
	})
}

// Nothing is uploaded or deleted if several customizers have the name.
func TestRunAmbiguous(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		client  func(*customizerstest.Server) deploy.Client
		changes []customizerstest.Operation
	}{
		"from the start": {func(srv *customizerstest.Server) deploy.Client {
			srv.Add("hr-feed", "hr-feed")
			return srv.Client()
		}, nil},
		"another program creates one too": {func(srv *customizerstest.Server) deploy.Client {
			return &stub{Client: srv.Client(), afterCreate: func() { srv.Add("hr-feed") }}
		}, []customizerstest.Operation{customizerstest.Create}},
		"the list shows only another program's": {func(srv *customizerstest.Server) deploy.Client {
			return &stub{
				Client:      srv.Client(),
				hides:       func(c customizers.Customizer) bool { return c.ID == srv.Customizers()[0].ID },
				afterCreate: func() { srv.Add("hr-feed") },
			}
		}, []customizerstest.Operation{customizerstest.Create}},
		"after a lost create": {func(srv *customizerstest.Server) deploy.Client {
			srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Reset: true, Apply: true})
			return &stub{Client: srv.Client(), afterCreate: func() { srv.Add("hr-feed") }}
		}, []customizerstest.Operation{customizerstest.Create}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				_, err := deploy.Run(t.Context(), tt.client(srv), "hr-feed", dir, deploy.Options{})
				require.ErrorIs(t, err, customizers.ErrAmbiguous)
				var e *customizers.AmbiguousError
				require.ErrorAs(t, err, &e)
				assert.Equal(t, "hr-feed", e.Name)
				assert.ElementsMatch(t, srv.Customizers(), e.Customizers)
				assert.Equal(t, tt.changes, changes(srv))
			})
		})
	}
}

// If the service normalizes names, every run by name would create a customizer.
func TestRunWithNormalizedName(t *testing.T) {
	t.Parallel()
	for name, normalized := range map[string]string{"HR-Feed": "hr-feed", "Zu\u0308rich": "Zürich", "hr  feed": "hr feed"} {
		dir := simple(t)
		bubble(t, func(t *testing.T, srv *customizerstest.Server) {
			client := &stub{Client: srv.Client(), rename: func(string) string { return normalized }}
			_, err := deploy.Run(t.Context(), client, name, dir, deploy.Options{})
			require.ErrorContains(t, err, fmt.Sprintf("the service created %q (%s), not %q", normalized, srv.Customizers()[0].ID, name))
			assert.Equal(t, []customizerstest.Operation{customizerstest.Create}, changes(srv))
		})
	}
}

// A service may reject the name of a customizer that the list did not show.
func TestRunRefusedCreate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		others []string // created during the create
		failed error
		says   string
	}{
		"400, one":     {400, []string{"hr-feed", "hr-feed-2"}, nil, ""},
		"409, one":     {409, []string{"hr-feed"}, nil, ""},
		"400, none":    {400, []string{"HR-feed"}, customizers.ErrBadRequest, "no such thing"},
		"409, none":    {409, nil, nil, "no such thing"},
		"400, several": {400, []string{"hr-feed", "hr-feed"}, customizers.ErrAmbiguous, "no such thing"},
		"403, one":     {403, []string{"hr-feed"}, customizers.ErrForbidden, "no such thing"},
		"422, one":     {422, []string{"hr-feed"}, customizers.ErrBadRequest, "no such thing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Status: tt.status, Body: `{"message": "no such thing"}`})
				start := time.Now()
				client := &stub{Client: srv.Client(), afterCreate: func() { srv.Add(tt.others...) }}
				r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{})
				assert.Zero(t, time.Since(start), "it looks only once")
				if tt.says != "" {
					require.ErrorContains(t, err, tt.says)
					if tt.failed != nil {
						require.ErrorIs(t, err, tt.failed)
					}
					assert.Len(t, changes(srv), 1)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, srv.Customizers()[0].ID, r.Customizer.ID)
				assert.False(t, r.Created)
				assert.EqualValues(t, 1, r.NewVersion)
			})
		})
	}
}

// Whatever fails, running again is safe, and only one customizer has the name.
func TestRunWithFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		operation customizerstest.Operation
		fault     customizerstest.Fault
		failed    error
		says      string
	}{
		"create is cut after the service acted":  {customizerstest.Create, customizerstest.Fault{Reset: true, Apply: true}, nil, ""},
		"create is 500 after the service acted":  {customizerstest.Create, customizerstest.Fault{Status: 500, Apply: true}, nil, ""},
		"create is HTML after the service acted": {customizerstest.Create, customizerstest.Fault{Status: 200, Body: "<html>", Apply: true}, nil, ""},
		"create is cut before the service acted": {customizerstest.Create, customizerstest.Fault{Reset: true}, customizers.ErrOutcomeUnknown, ""},
		"create is rate limited":                 {customizerstest.Create, customizerstest.Fault{Status: 429}, nil, ""},
		"create is refused":                      {customizerstest.Create, customizerstest.Fault{Status: 403}, customizers.ErrForbidden, "403"},
		"list is refused":                        {customizerstest.List, customizerstest.Fault{Status: 403}, customizers.ErrForbidden, "403"},
		"list is refused after the create":       {customizerstest.List, customizerstest.Fault{Skip: 1, Status: 403}, customizers.ErrForbidden, ") was created, but nothing was uploaded: "},
		"upload is refused":                      {customizerstest.CreateVersion, customizerstest.Fault{Status: 400}, customizers.ErrBadRequest, ", at version 0): "},
		"upload does not find it yet":            {customizerstest.CreateVersion, customizerstest.Fault{Status: 404}, nil, ""},
		"upload is cut after the service acted":  {customizerstest.CreateVersion, customizerstest.Fault{Reset: true, Apply: true}, customizers.ErrOutcomeUnknown, "uploading to hr-feed ("},
		"the new version can't be read":          {customizerstest.Get, customizerstest.Fault{Status: 403}, customizers.ErrForbidden, "version 1 of hr-feed ("},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				tt.fault.Operation = tt.operation
				srv.Inject(tt.fault)
				r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
				if tt.failed != nil {
					require.ErrorIs(t, err, tt.failed)
					require.ErrorContains(t, err, tt.says)
					r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
					require.NoError(t, err)
					assert.True(t, r.Uploaded)
				} else {
					require.NoError(t, err)
					assert.True(t, r.Created)
				}
				assert.Equal(t, []customizers.Customizer{r.Customizer}, srv.Customizers())
				assert.FileExists(t, record)
			})
		})
	}
}

// Run waits for a customizer whose create has an unknown outcome, and for the new version.
func TestRunWaits(t *testing.T) {
	t.Parallel()
	lost := customizerstest.Fault{Operation: customizerstest.Create, Reset: true, Apply: true}
	noNumber := customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 200, Body: "{}", Apply: true}
	const never = time.Hour
	for name, tt := range map[string]struct {
		fault              customizerstest.Fault
		listed, shown      time.Duration
		timeout, cancelled time.Duration
		least, most        time.Duration
		failed             error
		says               string
	}{
		"for a lost create":             {fault: lost, listed: 25 * time.Second, least: 25 * time.Second, most: 30 * time.Second},
		"in vain for a lost create":     {fault: lost, listed: never, least: 30 * time.Second, most: 30 * time.Second, failed: customizers.ErrOutcomeUnknown, says: "hr-feed did not appear within 30s"},
		"cancelled, for a lost create":  {fault: lost, listed: never, cancelled: 10 * time.Second, least: 10 * time.Second, most: 10 * time.Second, failed: customizers.ErrOutcomeUnknown},
		"for the version":               {shown: 10 * time.Second, least: 10 * time.Second, most: 15 * time.Second},
		"for a version without number":  {fault: noNumber, shown: time.Second, least: time.Second, most: 2 * time.Second},
		"for the version for 2 minutes": {shown: never, least: 2 * time.Minute, most: 2 * time.Minute, failed: deploy.ErrVersionNotVisible},
		"for the version for 5 seconds": {shown: never, timeout: 5 * time.Second, least: 5 * time.Second, most: 5 * time.Second, failed: deploy.ErrVersionNotVisible},
		"cancelled, for the version":    {shown: never, cancelled: 7 * time.Second, least: 7 * time.Second, most: 7 * time.Second, failed: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				if tt.fault.Operation != "" {
					srv.Inject(tt.fault)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancelled > 0 {
					time.AfterFunc(tt.cancelled, cancel)
				}
				start := time.Now()
				client := &stub{
					Client:  srv.Client(),
					hides:   func(customizers.Customizer) bool { return time.Since(start) < tt.listed },
					shownAt: start.Add(tt.shown),
				}
				r, err := deploy.Run(ctx, client, "hr-feed", dir, deploy.Options{Timeout: tt.timeout})
				assert.GreaterOrEqual(t, time.Since(start), tt.least)
				assert.LessOrEqual(t, time.Since(start), tt.most)
				assert.Len(t, srv.Requests(customizerstest.Create), 1)
				if tt.cancelled > 0 {
					require.ErrorIs(t, err, context.Canceled)
				}
				if tt.failed != nil {
					require.ErrorIs(t, err, tt.failed)
					require.ErrorContains(t, err, tt.says)
					return
				}
				require.NoError(t, err)
				assert.True(t, r.Created)
				assert.EqualValues(t, 1, r.NewVersion)
				assert.Equal(t, tt.fault.Operation == customizerstest.CreateVersion, r.RecordError != "", "which version was uploaded is not known")
			})
		})
	}
}

// Nothing is sent if an argument is invalid. internal/archive has more archives, and
// internal/naming more names.
func TestRunInvalidArguments(t *testing.T) {
	t.Parallel()
	files := folder(t, map[string]string{"broken.zip": "PK nothing", "deployed.jsonl": `{"x": 1}`, "package.json": `{"name": "web"}`, "large": ""})
	require.NoError(t, os.Truncate(filepath.Join(files, "large"), 65<<20))
	for name, tt := range map[string]struct{ customizer, path, record, says string }{
		"blank name":               {" ", simple(t), "", "name is blank"},
		"padded name":              {"hr-feed\r", simple(t), "", `name "hr-feed\r" has leading or trailing white space or invisible characters`},
		"no zip archive":           {"a", filepath.Join(files, "broken.zip"), "", "broken.zip: not a zip archive"},
		"an empty folder":          {"a", t.TempDir(), "", "no files to deploy"},
		"a corrupt record":         {"a", simple(t), filepath.Join(files, "deployed.jsonl"), "deployed.jsonl is not a deployment record (delete it, or name another file)"},
		"package.json as a record": {"a", simple(t), filepath.Join(files, "package.json"), "is not a deployment record"},
		"a huge record":            {"a", simple(t), filepath.Join(files, "large"), "large is larger than 64 MiB (delete it, or name another file)"},
		"a folder as a record":     {"a", simple(t), files, "is not a file"},
		"an empty index.js":        {"a", folder(t, map[string]string{"index.js": ""}), "", "is empty"},
		"index.js as a folder":     {"a", folder(t, map[string]string{"index.js/a.js": "1"}), "", "no index.js at the root"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := customizerstest.NewServer(customizerstest.WithoutSocket())
			_, err := deploy.Run(t.Context(), srv.Client(), tt.customizer, tt.path, deploy.Options{Record: tt.record})
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.ErrorContains(t, err, tt.says)
			assert.Empty(t, srv.Requests())
		})
	}
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", simple(t), deploy.Options{Timeout: -time.Second})
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	require.ErrorContains(t, err, "the timeout -1s is negative")
	assert.Empty(t, srv.Requests())
}

// Run never creates a customizer whose name looks like another's.
func TestRunNamesInOtherForms(t *testing.T) {
	t.Parallel()
	const composed, decomposed = "Z\u00fcrich-feed", "Zu\u0308rich-feed"
	for name, tt := range map[string]struct {
		exist  []string
		deploy string
		says   string // of the error
	}{
		"composed exists":   {[]string{composed}, decomposed, `"Zu\u0308rich-feed" is the name "Z\u00fcrich-feed" of `},
		"decomposed exists": {[]string{decomposed}, composed, `"Z\u00fcrich-feed" is the name "Zu\u0308rich-feed" of `},
		"both exist":        {[]string{composed, decomposed}, composed, "ambiguous"},
		"another space":     {[]string{"HR\u00a0feed"}, "HR feed", `"HR feed" is the name "HR\u00a0feed" of `},
		"the same exists":   {[]string{decomposed}, decomposed, ""},
		"another exists":    {[]string{"Zurich-feed"}, composed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := customizerstest.NewServer(customizerstest.WithoutSocket())
			added := srv.Add(tt.exist...)
			dir := simple(t)
			_, err := deploy.Run(t.Context(), srv.Client(), tt.deploy, dir, deploy.Options{})
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, customizers.ErrAmbiguous)
			require.ErrorContains(t, err, tt.says)
			for _, c := range added {
				require.ErrorContains(t, err, c.ID)
				_, err := deploy.Run(t.Context(), srv.Client(), c.ID, dir, deploy.Options{})
				require.NoError(t, err)
			}
			assert.Len(t, srv.Customizers(), len(tt.exist))
		})
	}
}

// The service may answer 404 for what the run has just made.
func TestRunWaitsForItsOwn(t *testing.T) {
	t.Parallel()
	missing := func(of customizerstest.Operation, times int) customizerstest.Fault {
		return customizerstest.Fault{Operation: of, Status: 404, Times: times}
	}
	for name, tt := range map[string]struct {
		exists      bool
		fault       customizerstest.Fault
		least, most time.Duration
		failed      error
		says        string
	}{
		"upload":                 {fault: missing(customizerstest.CreateVersion, 3), least: time.Second, most: 2 * time.Second},
		"upload, in vain":        {fault: missing(customizerstest.CreateVersion, -1), least: time.Minute, most: time.Minute, failed: customizers.ErrNotFound, says: "it did not appear within 1m0s"},
		"upload to another's":    {exists: true, fault: missing(customizerstest.CreateVersion, -1), failed: customizers.ErrNotFound, says: "uploading to hr-feed"},
		"version":                {fault: missing(customizerstest.Get, 3), least: time.Second, most: 2 * time.Second},
		"version of another's":   {exists: true, fault: missing(customizerstest.Get, 3), least: time.Second, most: 2 * time.Second},
		"version, in vain":       {fault: missing(customizerstest.Get, -1), least: time.Minute, most: time.Minute, failed: deploy.ErrVersionNotVisible, says: "it did not appear within 1m0s"},
		"link":                   {fault: missing(customizerstest.UpdateInstance, 3), least: time.Second, most: 2 * time.Second},
		"link to another's":      {exists: true, fault: missing(customizerstest.UpdateInstance, 3), least: time.Second, most: 2 * time.Second},
		"link, in vain":          {fault: missing(customizerstest.UpdateInstance, -1), least: time.Minute, most: time.Minute, failed: customizers.ErrNotFound, says: "linking instance-000001"},
		"link, nothing uploaded": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				if tt.exists {
					srv.Add("hr-feed")
				}
				if tt.fault.Operation != "" {
					srv.Inject(tt.fault)
				}
				opts := deploy.Options{Record: record, Link: []string{"instance-000001"}, Timeout: time.Minute}
				start := time.Now()
				_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, opts)
				assert.GreaterOrEqual(t, time.Since(start), tt.least)
				assert.LessOrEqual(t, time.Since(start), tt.most)
				assert.Len(t, srv.Customizers(), 1)
				if tt.failed != nil {
					require.ErrorIs(t, err, tt.failed)
					require.ErrorContains(t, err, tt.says)
					return
				}
				require.NoError(t, err)

				// What another run made is not waited for.
				start = time.Now()
				srv.Inject(missing(customizerstest.UpdateInstance, -1))
				opts.Link = []string{"instance-000002"}
				_, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, opts)
				require.ErrorIs(t, err, customizers.ErrNotFound)
				assert.Zero(t, time.Since(start))
			}, customizerstest.WithInstanceCount(2))
		})
	}
}

// Run ends with its context while it reads an archive or a folder.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("exports.connectorCustomizer = 1\n", 1<<12)
	dir := folder(t, map[string]string{"index.js": large, "lib/a.js": large})
	file := filepath.Join(t.TempDir(), "a.zip")
	require.NoError(t, os.WriteFile(file, zipOf(t, zip.Store, "index.js", large), 0o600))
	for _, path := range []string{dir, file} {
		for left := 0; ; left++ {
			srv := customizerstest.NewServer(customizerstest.WithoutSocket())
			_, err := deploy.Run(&countdown{t.Context(), left}, srv.Client(), "hr-feed", path, deploy.Options{})
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, customizers.ErrInvalidArgument)
			if len(srv.Requests()) > 0 {
				assert.Greater(t, left, 10, "checks of the context")
				break
			}
		}
	}
}

// countdown is a context that ends after some checks of its error.
type countdown struct {
	context.Context //nolint:containedctx // it is one

	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}
