// Package contracttest compares openapi.yaml with the client, with the sandbox, and with the code
// that repeats its facts. It is a module of its own because users of the SDK don't need the
// validator. Run its tests with -count=1: Go caches a result although openapi.yaml, a file outside
// the module, has changed.
package contracttest
