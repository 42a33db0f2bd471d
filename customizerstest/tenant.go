package customizerstest

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest/internal/server"
	"github.com/connector-customizers/customizers/instances"
	"github.com/connector-customizers/customizers/internal/archive"
)

const (
	maxLimit    = 250
	maxUnpacked = 256 << 20 // bytes of an archive's files to read for a digest
)

// A tenant implements the operations of the contract on customizers in memory.
type tenant struct {
	id string

	mu       sync.Mutex
	list     []*customizers.Customizer // oldest first
	byID     map[string]*customizers.Customizer
	versions map[string][]Version

	instances []Instance      // oldest first
	logs      []instances.Log // oldest first
}

var _ server.StrictServerInterface = (*tenant)(nil)

func newTenant(c config) *tenant {
	t := &tenant{id: newID(), byID: map[string]*customizers.Customizer{}, versions: map[string][]Version{}}
	for _, c := range c.customizers {
		t.add(c)
	}
	start := time.Now().UTC().Truncate(time.Second).Add(-time.Duration(c.count) * time.Second)
	for i := range c.count {
		t.add(customizers.Customizer{Name: fmt.Sprintf("customizer-%06d", i+1), Created: customizers.Timestamp{Time: start.Add(time.Duration(i) * time.Second)}})
	}
	t.addInstances(c.instances, c.instanceCount)
	return t
}

func now() customizers.Timestamp {
	return customizers.Timestamp{Time: time.Now().UTC().Truncate(time.Millisecond)}
}

// newID returns an ID in the form that the service uses for images and errors.
func newID() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

func (t *tenant) add(c customizers.Customizer) customizers.Customizer {
	if c.ID == "" {
		c.ID = uuid.NewString()
	}
	if c.TenantID == "" {
		c.TenantID = t.id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.Created.IsZero() { // under the lock, so that times follow the order of the list
		c.Created = now()
	}
	t.list = append(t.list, &c)
	t.byID[c.ID] = &c
	return c
}

func (t *tenant) create(name string) customizers.Customizer {
	return t.add(customizers.Customizer{Name: name})
}

func (t *tenant) all() []customizers.Customizer {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]customizers.Customizer, len(t.list))
	for i, c := range t.list {
		out[i] = *c
	}
	return out
}

func (t *tenant) versionsOf(id string) []Version {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.versions[id])
}

// An exchange holds the parts of a request and its response that the generated server does not
// pass to an operation.
type exchange struct {
	header       http.Header // of the response
	beta         bool
	createStatus int    // 0 for the default
	contentType  string // of the request
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

func (t *tenant) ListConnectorCustomizers(ctx context.Context, r server.ListConnectorCustomizersRequestObject) (server.ListConnectorCustomizersResponseObject, error) {
	offset, limit := 0, maxLimit
	if r.Params.Offset != nil {
		offset = int(*r.Params.Offset)
	}
	if r.Params.Limit != nil {
		limit = int(*r.Params.Limit)
	}
	if offset < 0 {
		return nil, refusal("Specified offset is invalid.")
	}
	if limit < 0 || limit > maxLimit {
		return nil, refusal(fmt.Sprintf("The limit must be between 0 and %d.", maxLimit))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Params.Count != nil && *r.Params.Count {
		exchangeOf(ctx).header.Set("X-Total-Count", strconv.Itoa(len(t.list)))
	}
	page := t.list[min(offset, len(t.list)):min(offset+limit, len(t.list))]
	out := make(server.ListConnectorCustomizers200JSONResponse, len(page))
	for i, c := range page {
		out[i] = *c
	}
	return out, nil
}

func (t *tenant) CreateConnectorCustomizer(ctx context.Context, r server.CreateConnectorCustomizerRequestObject) (server.CreateConnectorCustomizerResponseObject, error) {
	if r.Body.Name == "" {
		return nil, refusal("The name is missing.")
	}
	created := t.create(r.Body.Name)
	if e := exchangeOf(ctx); e.createStatus == http.StatusOK || e.createStatus == 0 && e.beta {
		return server.CreateConnectorCustomizer200JSONResponse(created), nil
	}
	return server.CreateConnectorCustomizer201JSONResponse(created), nil
}

func (t *tenant) GetConnectorCustomizer(_ context.Context, r server.GetConnectorCustomizerRequestObject) (server.GetConnectorCustomizerResponseObject, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.byID[r.ID]
	if !ok {
		return server.GetConnectorCustomizer404JSONResponse{NotFoundJSONResponse: notFound(r.ID)}, nil
	}
	return server.GetConnectorCustomizer200JSONResponse(*c), nil
}

func (t *tenant) PutConnectorCustomizer(_ context.Context, r server.PutConnectorCustomizerRequestObject) (server.PutConnectorCustomizerResponseObject, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.byID[r.ID]
	if !ok {
		return server.PutConnectorCustomizer404JSONResponse{NotFoundJSONResponse: notFound(r.ID)}, nil
	}
	if r.Body != nil && r.Body.Name != "" { // the contract does not require a name
		c.Name = r.Body.Name
	}
	return server.PutConnectorCustomizer200JSONResponse(*c), nil
}

func (t *tenant) DeleteConnectorCustomizer(_ context.Context, r server.DeleteConnectorCustomizerRequestObject) (server.DeleteConnectorCustomizerResponseObject, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.byID[r.ID]
	if !ok {
		return server.DeleteConnectorCustomizer404JSONResponse{NotFoundJSONResponse: notFound(r.ID)}, nil
	}
	delete(t.byID, r.ID)
	delete(t.versions, r.ID)
	t.list = slices.DeleteFunc(t.list, func(o *customizers.Customizer) bool { return o == c })
	for i := range t.instances {
		if t.instances[i].CustomizerID == r.ID {
			t.link(i, "")
		}
	}
	return server.DeleteConnectorCustomizer204Response{}, nil
}

func (t *tenant) CreateConnectorCustomizerVersion(ctx context.Context, r server.CreateConnectorCustomizerVersionRequestObject) (server.CreateConnectorCustomizerVersionResponseObject, error) {
	t.mu.Lock()
	_, ok := t.byID[r.ID]
	t.mu.Unlock()
	if !ok {
		return server.CreateConnectorCustomizerVersion404JSONResponse{NotFoundJSONResponse: notFound(r.ID)}, nil
	}
	v, err := checkArchive(r.Body, exchangeOf(ctx).contentType)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.byID[r.ID]
	if !ok { // deleted during the upload
		return server.CreateConnectorCustomizerVersion404JSONResponse{NotFoundJSONResponse: notFound(r.ID)}, nil
	}
	c.ImageVersion++
	c.ImageID = newID()
	v.Version = customizers.Version{
		CustomizerID: c.ID,
		ImageID:      c.ImageID,
		Version:      c.ImageVersion,
		Created:      now(),
	}
	t.versions[c.ID] = append(t.versions[c.ID], v)
	for _, i := range t.instances {
		if i.CustomizerID == c.ID {
			t.log(i, levelInfo, "version", runs(c))
		}
	}
	if exchangeOf(ctx).beta {
		return betaVersion{c.ID, c.ImageID, c.ImageVersion}, nil
	}
	return server.CreateConnectorCustomizerVersion200JSONResponse(v.Version), nil
}

// A betaVersion is a version in the form that /beta returns.
type betaVersion struct {
	CustomizerID string `json:"connectorCustomizerId"`
	ImageID      string `json:"imageId"`
	Version      int64  `json:"version"`
}

func (v betaVersion) VisitCreateConnectorCustomizerVersionResponse(w http.ResponseWriter) error {
	writeJSON(w, http.StatusOK, v)
	return nil
}

// checkArchive reads the body of a version, which is empty or a zip archive, and returns its
// size and digests. It stores the archive in a temporary file, as it may be large.
func checkArchive(body io.Reader, contentType string) (v Version, err error) {
	file, err := os.CreateTemp("", "customizerstest-*.zip")
	if err != nil {
		return v, err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}()
	hash := sha256.New()
	v.ArchiveSize, err = io.Copy(io.MultiWriter(file, hash), body)
	if err != nil {
		return v, refusal("The archive is incomplete.")
	}
	if v.ArchiveSize == 0 {
		return v, nil // the contract permits it; some clients set a type even so
	}
	if kind, _, _ := mime.ParseMediaType(contentType); kind != "application/zip" {
		return v, refusal("The Content-Type must be application/zip.")
	}
	z, err := zip.NewReader(file, v.ArchiveSize)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return v, refusal("The archive is not a valid zip file.")
	}
	v.ArchiveSHA256 = hex.EncodeToString(hash.Sum(nil))
	var unpacked uint64
	for _, f := range z.File {
		unpacked += f.UncompressedSize64
	}
	if unpacked <= maxUnpacked {
		v.ContentSHA256, _ = archive.Digest(file, v.ArchiveSize)
	}
	return v, nil
}

// A refusal is the error of an invalid request. The response has the status 400.
type refusal string

func (r refusal) Error() string { return string(r) }

func notFound(id string) server.NotFoundJSONResponse {
	return server.NotFoundJSONResponse(errorOf(http.StatusNotFound, fmt.Sprintf("There is no connector customizer with the id %s.", id)))
}
