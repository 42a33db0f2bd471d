// Package interop tests the contract, the sandbox and the client against software of others:
// a TypeScript client generated from openapi.yaml, SailPoint's SDK for TypeScript, and Prism as
// a mock and as a validating proxy of the published contract. package-lock.json pins what the
// tests need; `make interop` installs it and runs them.
package interop
