// Package contracttest compares openapi.yaml with the client, with the sandbox, and with the code
// that repeats its facts. It is a module of its own because users of the SDK don't need the
// validator.
package contracttest
