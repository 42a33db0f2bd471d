package customizerstest

import (
	"slices"

	"github.com/connector-customizers/customizers"
)

// A State is the content of a tenant. It can be stored as JSON.
type State struct {
	TenantID     string                   `json:"tenantID"`
	ClientID     string                   `json:"clientID"`
	ClientSecret string                   `json:"clientSecret"`
	Customizers  []customizers.Customizer `json:"customizers"`        // oldest first
	Versions     map[string][]Version     `json:"versions,omitempty"` // by customizer ID, oldest first
	Instances    []Instance               `json:"instances,omitempty"`
}

// State returns a copy of the tenant's content.
func (s *Server) State() State {
	st := s.tenant.state()
	st.ClientID, st.ClientSecret = s.ClientID, s.ClientSecret
	return st
}

// WithState starts the tenant with the content st, for example from [Server.State].
// [WithCredentials] overrides its credentials. Customizers and instances of other options are
// added.
func WithState(st State) Option { return func(c *config) { c.state = st } }

func (t *tenant) state() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := State{TenantID: t.id, Customizers: make([]customizers.Customizer, len(t.list)), Versions: map[string][]Version{}, Instances: slices.Clone(t.instances)}
	for i, c := range t.list {
		st.Customizers[i] = *c
		if versions := t.versions[c.ID]; len(versions) > 0 {
			st.Versions[c.ID] = slices.Clone(versions)
		}
	}
	return st
}

// restore adds the content st to an empty tenant.
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
	t.instances = slices.Clone(st.Instances)
}
