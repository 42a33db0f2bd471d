package customizers

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
