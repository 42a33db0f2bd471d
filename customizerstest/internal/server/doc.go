// Package server has the types and the HTTP server that are generated from openapi.yaml. Package
// customizerstest implements its operations.
package server
