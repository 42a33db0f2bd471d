// Package customizers is a client for the connector customizers of SailPoint Identity
// Security Cloud: list, create, get, update, delete, and create a version.
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
// It is made for programs that run unattended. A [Client] is safe for concurrent use.
// Every method takes a context and returns soon after it ends.
//
// # Authentication
//
// [New] takes [ClientCredentials], such as a personal access token, or any other
// [TokenSource]; [NewFromEnv] reads the settings of SailPoint's own tools. The client
// fetches a token when it first needs one, shares it between goroutines, renews it shortly
// before it expires, and fetches a new one once if the service refuses it. The token needs
// the scope sp:connector:read for [Client.List], [Client.Pages], [Client.All] and
// [Client.Get], and sp:connector:manage for the other operations; its user needs the level
// ORG_ADMIN.
//
// # Errors
//
// An argument that can't be used is [ErrInvalidArgument], and nothing is sent. Any other
// failure is an [*Error] with the status, the service's code, texts and tracking ID. Use
// [errors.Is] and the sentinels to tell failures apart:
//
//   - [ErrBadRequest], [ErrUnauthorized], [ErrForbidden], [ErrNotFound], [ErrRateLimited]
//     and [ErrServer]: what the service answered;
//   - [ErrConnection]: no whole response came;
//   - [ErrOutcomeUnknown]: a create failed, and the service may have carried it out.
//
// # Retries
//
// Reads, updates and deletes are retried after 408, 429, 500, 502, 503, 504 and broken
// connections, up to 4 attempts in all: see [RetryPolicy]. A create, of a customizer or a
// version, is retried only if the service cannot have acted on it; otherwise the error is
// [ErrOutcomeUnknown]. A budget keeps retries from making an outage worse: see [WithRetry].
// An attempt that stalls is cancelled: see [WithHTTPClient].
//
// # Rate limit
//
// The service allows 100 requests in 10 seconds for a client ID and a version of the API.
// A client keeps to that, and sends nothing during the Retry-After of a 429. Programs with
// the same client ID share its limit: see [WithRateLimit] and [WithRateLimiter].
//
// # Lists
//
// [Client.All] reads lists of any length in constant memory, and misses nothing when
// records are created and deleted meanwhile. [Client.Pages] does so a page at a time, and
// [Client.List] returns one page. [Client.GetByName] looks up a name.
//
// # Other endpoints
//
// [Client.Do] sends a request to any other endpoint of the tenant, with the client's token,
// rate limit and retries. Generated clients of the tenant's other APIs can ride on it.
//
// # Other packages
//
//   - [github.com/connector-customizers/customizers/deploy] does what a pipeline does on each
//     merge: it creates a customizer, uploads new content and links connector instances.
//   - [github.com/connector-customizers/customizers/instances] lists connector instances, and
//     links a customizer to them.
//   - [github.com/connector-customizers/customizers/customizerstest] provides a fake tenant
//     for tests.
//   - [github.com/connector-customizers/customizers/api] holds the types and request builders
//     that are generated from the contract.
//   - The command github.com/connector-customizers/customizers/cmd/customizers does all of it
//     from a shell.
//
// # Sources
//
// Facts about the service come from SailPoint's published API specification and
// documentation (https://developer.sailpoint.com/docs/api/) and, where a comment says
// "seen in use", from other clients.
//
// # Generated types
//
// [Customizer] and [Version] are generated from openapi.yaml. The generator adds this note:
package customizers
