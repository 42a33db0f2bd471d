// Package customizers is a client for the connector customizers of SailPoint
// Identity Security Cloud: list, create, get, update, delete, and create a version.
//
//	client, err := customizers.NewFromEnv()
//	if err != nil {
//		return err
//	}
//	for c, err := range client.All(ctx, customizers.ListOptions{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(c.ID, c.Name, c.ImageVersion)
//	}
//
// It is meant for programs that run unattended. A [Client] is safe for use by any number
// of goroutines. Every method takes a context and returns soon after it ends.
//
// # Authentication
//
// [New] takes a client ID and secret, such as a personal access token, by
// [WithClientCredentials], or any other source of tokens by [WithTokenSource];
// [NewFromEnv] finds what SailPoint's own tools use. A token is fetched when first needed,
// shared by all goroutines, renewed shortly before it expires, and fetched anew once when the
// service refuses it. It needs the scope sp:connector:read for [Client.List], [Client.Pages],
// [Client.All] and [Client.Get], and sp:connector:manage for the rest; its user needs the level
// ORG_ADMIN.
//
// # Errors
//
// A method that fails after something was due to be sent returns an [*Error], with the status,
// the service's code, texts and tracking ID. Tell the cases apart by [errors.Is] and the sentinels: [ErrInvalidRequest], [ErrUnauthorized], [ErrForbidden], [ErrNotFound],
// [ErrRateLimited], [ErrServer] and [ErrOutcomeUnknown]. An argument that can't be used is
// [ErrInvalidRequest], and nothing was sent.
//
// # Retries
//
// Reads, updates and deletes are sent again after 408, 429, 500, 502, 503, 504 and broken
// connections, up to 4 times in all: see [RetryPolicy]. A create, of a customizer or a
// version, is sent again only when the service cannot have acted on it; when that can't be
// known the error is [ErrOutcomeUnknown]. Under an outage retries end, so that a client does
// not add to the load: see [WithRetry]. A try that stalls is cut: see [WithHTTPClient].
//
// # Rate limit
//
// The service allows 100 requests in 10 seconds for a client ID and a version of the API. A
// client keeps to that, and sends nothing while the Retry-After of a 429 lasts. Programs that
// share a client ID share its limit too: see [WithRateLimit] and [WithRateLimiter].
//
// # Lists
//
// [Client.All] reads lists of any length in constant memory, and misses nothing when records
// are created and deleted meanwhile. [Client.Pages] does so a page at a time, and
// [Client.List] returns one page.
//
// # Other packages
//
// Package customizerstest has a tenant to test against, and package deploy does what a
// pipeline does on each merge. The command customizers does both from a shell.
//
// # Sources
//
// Facts about the service come from SailPoint's published API specification and
// documentation (https://developer.sailpoint.com/docs/api/) and, where it says so,
// from what clients in use have seen.
package customizers
