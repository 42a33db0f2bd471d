// Package interop tests the contract, the sandbox and the client against software of others:
// a TypeScript client generated from openapi.yaml, SailPoint's SDK for TypeScript, and Prism as
// a mock and as a validating proxy of the published contract. It also installs, builds and deploys
// a project of `customizers init`. package-lock.json pins what the other tests need;
// `make interop` installs it and runs the tests.
package interop
