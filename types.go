package customizers

import "time"

// A Customizer is a connector customizer. A field that the service left out is zero.
// Its JSON form is the service's own.
type Customizer struct {
	ID           string    `json:"id,omitzero"`
	Name         string    `json:"name,omitzero"`
	ImageVersion int64     `json:"imageVersion,omitzero"` // number of the newest version; 0 before the first
	ImageID      string    `json:"imageID,omitzero"`      // ID of the newest version's image
	TenantID     string    `json:"tenantID,omitzero"`
	Created      time.Time `json:"created,omitzero"`
}

// A Version is one version of a customizer. A field that the service left out is
// zero, but for CustomizerID, which is always set. Its JSON form is the service's own.
type Version struct {
	CustomizerID string    `json:"customizerID,omitzero"`
	ImageID      string    `json:"imageID,omitzero"`
	Version      int64     `json:"version,omitzero"` // counts from 1
	Created      time.Time `json:"created,omitzero"`
}

// A CreateRequest says what customizer to create.
type CreateRequest struct {
	Name string // must not be blank
}

// An UpdateRequest says what a customizer is to become.
type UpdateRequest struct {
	// Name is the new name and must not be blank. The published specification calls
	// a customizer's name immutable, yet it is the one field of an update, and clients
	// in use rename with it; the service decides.
	Name string
}
