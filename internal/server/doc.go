// Package server is the server side of openapi.yaml, generated for the sandbox
// tenant of package customizerstest.
package server
