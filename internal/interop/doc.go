// Package interop tests the contract, the sandbox and the client with other software:
//   - a TypeScript client generated from openapi.yaml
//   - SailPoint's SDK for TypeScript
//   - Prism, as a mock and as a validating proxy of the published contract
//   - a project created by `customizers init`, which the tests install, build and deploy
//
// package-lock.json pins that software. `make interop` installs it and runs the tests.
package interop
