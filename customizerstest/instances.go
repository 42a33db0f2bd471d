package customizerstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/connector-customizers/customizers/instances"
)

// An Instance is a connector instance. A customizer runs in the instances that it is linked to.
type Instance = instances.Instance

// WithInstances adds connector instances. Empty IDs are filled in. If the option is repeated,
// all of them are added.
func WithInstances(i ...Instance) Option {
	return func(c *config) { c.instances = append(c.instances, i...) }
}

// WithInstanceCount adds n connector instances, named instance-000001 and so on.
func WithInstanceCount(n int) Option { return func(c *config) { c.instanceCount = n } }

// Instances returns the tenant's connector instances, oldest first.
func (s *Server) Instances() []Instance { return s.tenant.allInstances() }

func (t *tenant) addInstances(given []Instance, n int) {
	for _, i := range given {
		i.ID = cmp.Or(i.ID, uuid.NewString())
		t.instances = append(t.instances, i)
	}
	for i := range n {
		t.instances = append(t.instances, Instance{ID: uuid.NewString(), Name: fmt.Sprintf("instance-%06d", i+1)})
	}
}

func (t *tenant) allInstances() []Instance {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.instances)
}

// serveInstances lists the connector instances.
func (t *tenant) serveInstances(w http.ResponseWriter) {
	writeJSON(w, http.StatusOK, append([]Instance{}, t.allInstances()...))
}

// patchInstance changes a connector instance. The body is a JSON Patch, which can change
// connectorCustomizerId only.
func (t *tenant) patchInstance(w http.ResponseWriter, r *http.Request, id string) {
	var patch []patchOperation
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxJSON))
	if err == nil {
		err = json.Unmarshal(data, &patch)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.instances, func(c Instance) bool { return c.ID == id })
	switch {
	case i < 0:
		writeError(w, http.StatusNotFound, fmt.Sprintf("There is no connector instance with the id %s.", id))
		return
	case r.Header.Get("Content-Type") != "" && kind != "application/json" && kind != "application/json-patch+json":
		writeError(w, http.StatusBadRequest, "The Content-Type must be application/json or application/json-patch+json.")
		return
	case err != nil || patch == nil:
		writeError(w, http.StatusBadRequest, "The request body is not a JSON Patch.")
		return
	}
	patched := t.instances[i]
	for _, op := range patch {
		if problem := t.apply(op, &patched); problem != "" {
			writeError(w, http.StatusBadRequest, problem)
			return
		}
	}
	if patched != t.instances[i] {
		t.link(i, patched.CustomizerID)
	}
	writeJSON(w, http.StatusOK, patched)
}

// link links the instance at index i to a customizer, or unlinks it if customizerID is empty,
// and logs that. The caller holds t.mu.
func (t *tenant) link(i int, customizerID string) {
	t.instances[i].CustomizerID = customizerID
	switch c := t.byID[customizerID]; {
	case c == nil:
		t.log(t.instances[i], levelInfo, "unlinked", "Runs no connector customizer.")
	case c.ImageVersion == 0:
		t.log(t.instances[i], levelWarn, "linked", fmt.Sprintf("Linked to %s, which has no version to run.", c.Name))
	default:
		t.log(t.instances[i], levelInfo, "linked", runs(c))
	}
}

type patchOperation struct {
	Op, Path string
	Value    *string
}

// apply applies op to c, or returns the reason to reject it. It accepts a replace if nothing is
// linked yet, as SailPoint's clients send one.
func (t *tenant) apply(op patchOperation, c *Instance) (problem string) {
	switch {
	case op.Path != "/connectorCustomizerId":
		return fmt.Sprintf("The path %q can't be patched.", op.Path)
	case op.Op == "remove":
		if c.CustomizerID == "" {
			return "No connector customizer is linked to the instance."
		}
		c.CustomizerID = ""
	case op.Op != "replace" && op.Op != "add":
		return fmt.Sprintf("The operation %q is not supported.", op.Op)
	case op.Value == nil:
		return "The value is missing."
	default:
		if _, ok := t.byID[*op.Value]; !ok {
			return fmt.Sprintf("There is no connector customizer with the id %s.", *op.Value)
		}
		c.CustomizerID = *op.Value
	}
	return ""
}
