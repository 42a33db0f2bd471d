// Package server is the server side of openapi.yaml, generated for the sandbox
// tenant of package customizerstest.
package server

import "github.com/connector-customizers/customizers/api"

// Timestamp is the type that the contract names for its date-times.
type Timestamp = api.Timestamp
