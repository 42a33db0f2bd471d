// Package customizers is a client for the connector customizers of SailPoint
// Identity Security Cloud: list, create, get, update, delete, and create a version.
//
// A [Client] is made by [New] or [NewFromEnv] and is safe for use by any number of
// goroutines. It is meant for programs that run unattended:
//
//   - Tokens are fetched when first needed, shared, renewed before they expire, and
//     fetched anew once when the service refuses one.
//   - Reads, updates and deletes are sent again after 408, 429, 500, 502, 503, 504
//     and broken connections, by the policy of [WithRetry]. A create is sent again
//     only when the service cannot have acted on it; when that can't be known the
//     error is [ErrOutcomeUnknown].
//   - Under an outage retries end, so that a client does not add to the load: see
//     [WithRetry].
//   - At most 100 requests are sent in any 10 seconds, the service's limit, and none
//     while a 429's Retry-After lasts.
//   - [Client.All] reads lists of any length in constant memory, and misses nothing when
//     records are created and deleted meanwhile.
//   - A try that stalls is cut: see [WithHTTPClient].
//
// Every method takes a context and returns soon after it ends. A method that fails
// after something was due to be sent returns an [*Error]; tell the cases apart with
// [errors.Is] and the sentinels ([ErrNotFound] and so on), and read the rest with
// [errors.As].
//
// Facts about the service come from SailPoint's published API specification and
// documentation (https://developer.sailpoint.com/docs/api/) and, where it says so,
// from what clients in use have seen.
//
// Package customizerstest has a tenant to test against.
package customizers
