package customizers

import "github.com/connector-customizers/customizers/api"

// Timestamp is a [time.Time] that json.Unmarshal reads in every form that the service is
// known to send. It is written in RFC 3339.
type Timestamp = api.Timestamp

// A CreateRequest describes a customizer to create.
type CreateRequest struct {
	Name string // required
}

// An UpdateRequest describes a change of a customizer.
type UpdateRequest struct {
	// Name is the new name, and required. The published specification calls a customizer's
	// name immutable, yet it is the one field of an update, and clients in use rename with
	// it. Compare it with the name in the response: some tenants ignore the change.
	Name string
}
