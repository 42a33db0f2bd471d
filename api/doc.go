// Package api has the types, request builders and client that oapi-codegen generates from
// openapi.yaml. Package customizers is built on the types and request builders; most programs
// need only that package.
//
// The generated [Client] adds no token, retry or rate limit. Pass a customizers.Client to
// [WithHTTPClient] to send its requests with those of that client: see the example of
// [NewClientWithResponses].
//
// This package follows the generator and the contract. It has no promise of stability: any
// release may change it.
package api
