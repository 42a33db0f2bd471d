// Package interop tests the contract, the sandbox and the client with other software:
//   - linters of contracts, Redocly and Spectral
//   - clients in Go and TypeScript generated from openapi.yaml, in the default configuration
//   - SailPoint's SDK for TypeScript
//   - Prism, as a mock and as a validating proxy of each contract
//   - a project created by `customizers init`, which the tests install, build and deploy
//
// package-lock.json pins that software. `make interop` installs it and runs the tests.
package interop
