// Package customizers is a client for SailPoint connector customizers: it lists, creates, gets,
// updates and deletes them, and creates versions. A connector customizer is code that SailPoint
// Human Fabric (formerly Identity Security Cloud) runs before and after the operations of a SaaS
// connector.
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
// A [Client] is safe for concurrent use. Every method takes a context, or a request with one,
// and returns soon after it ends.
//
// # Authentication
//
// [New] takes [ClientCredentials], such as a personal access token, or any other
// [TokenSource]; [NewFromEnv] reads the settings of SailPoint's own tools. The client
// fetches a token when it first needs one, shares it between goroutines, and renews it
// shortly before it expires. If the service rejects a token, the client fetches a new one
// once. The token's user needs the user level ORG_ADMIN, and the token needs the scopes
//
//   - sp:connector:read for [Client.List], [Client.Pages], [Client.All], [Client.Get] and
//     [Client.GetByName];
//   - sp:connector:manage for the other operations.
//
// # Errors
//
// For an invalid argument, the error is [ErrInvalidArgument], and nothing is sent. Any other
// failure of a request is an [*Error] with the status and the service's code, messages and
// tracking ID. Use [errors.Is] and the sentinels to tell failures apart:
//
//   - [ErrBadRequest], [ErrUnauthorized], [ErrForbidden], [ErrNotFound], [ErrRateLimited]
//     and [ErrServer] report the status of the last response;
//   - [ErrConnection] means that no complete response was received;
//   - [ErrOutcomeUnknown] means that a create failed, but the service may have carried it out.
//
// Other statuses, such as 409, match none of them.
//
// # Retries
//
// Reads, updates and deletes are retried after 408, 429, 500, 502, 503, 504 and broken
// connections, with at most 4 attempts in all: see [RetryPolicy]. A create, of a customizer
// or a version, is retried only if the service cannot have acted on it. Otherwise the error
// is [ErrOutcomeUnknown]. A budget keeps retries from making an outage worse: see
// [WithRetry]. An attempt that stalls is canceled: see [WithHTTPClient].
//
// # Rate limit
//
// By default, the service allows 100 requests in 10 seconds per client ID and API version. A
// client stays within this limit, and sends nothing during the Retry-After of a 429. Programs
// with the same client ID share its limit: see [WithRateLimit] and [WithRateLimiter].
//
// # Lists
//
// [Client.All] reads a list of any length in constant memory. It misses no customizer, even if
// others are created and deleted meanwhile. [Client.Pages] does the same page by page, and
// [Client.List] returns one page. [Client.GetByName] looks up a name.
//
// # Other endpoints
//
// [Client.Do] sends a request to any other endpoint of the tenant, with the client's token,
// rate limit and retries. A generated client of another API of the tenant can use it in place
// of an [http.Client].
//
// # Other packages
//
//   - [github.com/connector-customizers/customizers/deploy] does what a pipeline does on each
//     merge: it creates a customizer, uploads new content and links connector instances.
//   - [github.com/connector-customizers/customizers/instances] lists connector instances, and
//     links a customizer to them.
//   - [github.com/connector-customizers/customizers/customizerstest] provides a fake tenant
//     for tests.
//   - [github.com/connector-customizers/customizers/api] holds the types, request builders and
//     client that are generated from the contract. It follows its generator, so any release may
//     change it.
//   - The command github.com/connector-customizers/customizers/cmd/customizers does all of
//     this from a shell.
//
// # Sources
//
// Facts about the service come from SailPoint's published API specification and
// documentation (https://developer.sailpoint.com/docs/api/). Where a comment says
// "observed" or "existing clients", they come from other clients.
package customizers
