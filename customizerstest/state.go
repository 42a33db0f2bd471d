package customizerstest

import (
	"slices"

	"github.com/connector-customizers/customizers"
)

// A State is what a tenant holds, in a form that can be kept as JSON.
type State struct {
	TenantID     string                   `json:"tenantID"`
	ClientID     string                   `json:"clientID"`
	ClientSecret string                   `json:"clientSecret"`
	Customizers  []customizers.Customizer `json:"customizers"`        // oldest first
	Versions     map[string][]Version     `json:"versions,omitempty"` // by customizer, oldest first
}

// State returns what the tenant holds now.
func (s *Server) State() State {
	st := s.tenant.state()
	st.ClientID, st.ClientSecret = s.ClientID, s.ClientSecret
	return st
}

// WithState starts with what a tenant held when [Server.State] was called. Credentials of
// [WithCredentials] win over its own, and other options for customizers come on top.
func WithState(st State) Option { return func(c *config) { c.state = st } }

func (t *tenant) state() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := State{TenantID: t.id, Customizers: make([]customizers.Customizer, len(t.list)), Versions: map[string][]Version{}}
	for i, c := range t.list {
		st.Customizers[i] = *c
		if versions := t.versions[c.ID]; len(versions) > 0 {
			st.Versions[c.ID] = slices.Clone(versions)
		}
	}
	return st
}

// restore brings back what a tenant held.
func (t *tenant) restore(st State) {
	if st.TenantID != "" {
		t.id = st.TenantID
	}
	for _, c := range st.Customizers {
		t.add(c)
	}
	for id, versions := range st.Versions {
		if _, ok := t.byID[id]; ok {
			t.versions[id] = slices.Clone(versions)
		}
	}
}
