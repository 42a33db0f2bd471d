// Package interop holds the contract, the sandbox and the client against what others
// wrote: a TypeScript client generated from openapi.yaml, and Prism as a mock and as a
// validating proxy for the published contract. Its tests need what package-lock.json
// pins; `make interop` installs that and runs them.
package interop
