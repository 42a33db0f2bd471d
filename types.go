package customizers

import "github.com/connector-customizers/customizers/api"

// Timestamp is a struct that embeds a [time.Time], so its methods work, as in
// c.Created.Before(t), and Timestamp{Time: t} makes one. json.Unmarshal reads every format that
// the service is known to send. json.Marshal writes RFC 3339.
type Timestamp = api.Timestamp

// A CreateRequest describes a customizer to create.
type CreateRequest struct {
	Name string // required
}

// An UpdateRequest describes a change to a customizer.
type UpdateRequest struct {
	// Name is the new name; it is required. The published specification calls the name
	// immutable, yet it is the only field of an update, and existing clients rename customizers
	// with it. Some tenants ignore the change, so compare it with the name in the response.
	Name string
}
