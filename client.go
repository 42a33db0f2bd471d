package customizers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/connector-customizers/customizers/api"
	"github.com/connector-customizers/customizers/internal/config"
	"github.com/connector-customizers/customizers/internal/naming"
	"github.com/connector-customizers/customizers/internal/transport"
)

// A Client calls the connector-customizer operations of one tenant. It is safe for
// concurrent use. Goroutines share its token, rate limit and connections. It needs no Close.
type Client struct {
	chain   transport.Handler
	tenant  *url.URL // scheme and host
	server  string   // path that the generated builders append to
	version APIVersion
	agent   []string
	secrets *redactor // keeps them out of errors and logs
}

// New returns a client of a tenant, given its name ("acme") or the URL of its API
// ("https://acme.api.identitynow.com"). Plain http is accepted for loopback hosts only.
//
// New sends nothing: wrong credentials make the first call fail. It returns
// [ErrInvalidArgument] if the tenant, the credentials or an option is invalid.
func New(tenant string, auth Auth, opts ...Option) (*Client, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	base, err := config.BaseURL(tenant)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	if auth.credentials == nil {
		return nil, fmt.Errorf("%w: no credentials (want ClientCredentials or TokenSource)", ErrInvalidArgument)
	}
	credentials, err := auth.credentials()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	c := &Client{tenant: u, server: "/", version: s.version, agent: []string{s.userAgent}, secrets: newRedactor(credentials.clientID, credentials.clientSecret)}
	if s.version != APIVersionV1 {
		c.server += string(s.version) + "/"
	}
	c.chain = transport.New(transport.Options{
		HTTP: s.transport, Timeout: s.timeout,
		Retry:  s.retry.withDefaults(),
		Window: s.window, Limiter: s.limiter,
		Hooks: c.hooks(s.log, s.observer),
		Fetch: c.secrets.watch(credentials.fetcher(base, http.Header{"Accept": acceptJSON, "User-Agent": c.agent})),
	})
	return c, nil
}

// Get returns the customizer with the given ID, or [ErrNotFound]. It needs the scope
// sp:connector:read, and is retried.
//
// Get and the other methods return [ErrInvalidArgument], and send nothing, if the ID is
// empty, is "." or "..", or contains a slash, white space or control characters.
func (c *Client) Get(ctx context.Context, id string) (*Customizer, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	req, err := api.NewGetConnectorCustomizerRequest(c.server, id)
	resp, err := c.send(ctx, "Get", req, err)
	return c.customizer(resp, err)
}

// A CreateRequest describes a customizer to create.
type CreateRequest struct {
	Name string // required
}

// Create creates a customizer without a version, and returns it. It returns
// [ErrInvalidArgument] if the name is blank, has leading or trailing white space, has control or
// invisible characters, or is not UTF-8. The service allows several customizers with the same name. Create
// needs the scope sp:connector:manage.
//
// Create is retried only if the service cannot have acted on it: if no connection was made,
// after a 429, and once after a 401, with a new token. If the service may have acted, the
// error is [ErrOutcomeUnknown]. Then look for the customizer, for example with [Client.All],
// before you create it again.
func (c *Client) Create(ctx context.Context, r CreateRequest) (*Customizer, error) {
	if err := checkName("CreateRequest.Name", r.Name); err != nil {
		return nil, err
	}
	req, err := api.NewCreateConnectorCustomizerRequest(c.server, api.ConnectorCustomizerCreateRequest{Name: r.Name})
	resp, err := c.send(ctx, "Create", req, err)
	return c.customizer(resp, err)
}

// An UpdateRequest describes a change to a customizer.
type UpdateRequest struct {
	// Name is the new name; it is required. The published specification calls the name
	// immutable, yet it is the only field of an update, and existing clients rename customizers
	// with it. Some tenants ignore the change, so compare it with the name in the response.
	Name string
}

// Update changes the customizer with the given ID and returns the result, or [ErrNotFound].
// The name must be one that [Client.Create] accepts. Update needs the scope
// sp:connector:manage, and is retried.
func (c *Client) Update(ctx context.Context, id string, r UpdateRequest) (*Customizer, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := checkName("UpdateRequest.Name", r.Name); err != nil {
		return nil, err
	}
	req, err := api.NewPutConnectorCustomizerRequest(c.server, id, api.ConnectorCustomizerUpdateRequest{Name: r.Name})
	resp, err := c.send(ctx, "Update", req, err)
	return c.customizer(resp, err)
}

// Delete deletes the customizer with the given ID, or returns [ErrNotFound]. It needs the
// scope sp:connector:manage, and is retried. If an attempt gets no response, a 408 or a 5xx,
// and a later one gets a 404, Delete succeeds: the earlier attempt may have deleted it.
func (c *Client) Delete(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	req, err := api.NewDeleteConnectorCustomizerRequest(c.server, id)
	resp, err := c.send(ctx, "Delete", req, err)
	if err != nil || len(resp.Data) == 0 || resp.StatusCode == http.StatusNotFound {
		return err
	}
	return c.decode(resp, new(json.RawMessage)) // fails for HTML, which a proxy may have sent
}

// CreateVersion creates the next version of the customizer with the given ID from a zip
// archive, or without a body if archive is nil. The published specification has no body;
// existing clients send the archive as application/zip. The client does not check its contents.
// CreateVersion needs the scope sp:connector:manage.
//
// An archive that is an [io.ReaderAt] and an [io.Seeker], such as [*os.File] or
// [*bytes.Reader], is sent from its current offset to its end. Each attempt reads it again,
// and the offset does not change. Any other reader is read once, so its request is retried
// only if nothing was read yet. The archive is streamed, never held in memory, and not closed.
// If the context ends during a read that blocks, CreateVersion returns and the read goes on.
//
// CreateVersion is retried like [Client.Create]. It returns
//
//   - [ErrInvalidArgument] for a folder, a closed file, an empty buffer, or an offset at the
//     archive's end;
//   - [ErrNotFound] if there is no such customizer;
//   - [ErrOutcomeUnknown] if the service may have created the version. Then compare
//     [Customizer.ImageVersion] with its earlier value.
func (c *Client) CreateVersion(ctx context.Context, id string, archive io.Reader) (*Version, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	req, err := api.NewCreateConnectorCustomizerVersionRequestWithBody(c.server, id, zipType, nil)
	if err == nil {
		err = attach(req, archive)
	}
	resp, err := c.send(ctx, "CreateVersion", req, err)
	if err != nil {
		return nil, err
	}
	var v struct {
		Version // also decodes imageId, because encoding/json ignores case

		CustomizerIDInUse string `json:"connectorCustomizerId"`
	}
	if err := c.decode(resp, &v); err != nil {
		return nil, err
	}
	v.CustomizerID = cmp.Or(v.CustomizerID, v.CustomizerIDInUse, id)
	return &v.Version, nil
}

const zipType = "application/zip"

var acceptJSON = []string{"application/json"}

// send sends a request of a generated builder, or returns the error err of building it.
func (c *Client) send(ctx context.Context, operation string, req *http.Request, err error) (*transport.Response, error) {
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	if ctx == nil {
		return nil, fmt.Errorf("%w: the context is nil (want context.Background() or another)", ErrInvalidArgument)
	}
	if c.version == APIVersionV1 {
		req.URL.Path, req.URL.RawPath = insertVersion(req.URL.Path), insertVersion(req.URL.RawPath)
	}
	req.URL.Scheme, req.URL.Host, req.Host = c.tenant.Scheme, c.tenant.Host, c.tenant.Host
	req.Header["Accept"], req.Header["User-Agent"] = acceptJSON, c.agent
	resp, err := c.chain.Do(&transport.Call{
		Context:    ctx,
		Operation:  operation,
		Request:    req,
		Idempotent: req.Method != http.MethodPost,
		Streamed:   operation == "CreateVersion" && req.Body != nil,
	})
	if err != nil {
		return nil, c.newError(err)
	}
	return resp, nil
}

// insertVersion turns /connector-customizers/… into /connector-customizers/v1/….
func insertVersion(path string) string {
	const collection = "/connector-customizers"
	rest, ok := strings.CutPrefix(path, collection)
	if !ok {
		return path // no RawPath
	}
	return collection + "/" + string(APIVersionV1) + rest
}

// customizer decodes the response to an operation that returns a customizer.
func (c *Client) customizer(resp *transport.Response, err error) (*Customizer, error) {
	if err != nil {
		return nil, err
	}
	var out Customizer
	if err := c.decode(resp, &out); err != nil {
		return nil, err
	}
	if out.ID == "" {
		return nil, c.unusable(resp, errors.New("it has no ID"))
	}
	return &out, nil
}

// decode decodes the body of a 2xx response.
func (c *Client) decode(resp *transport.Response, out any) error {
	if len(resp.Data) == 0 {
		return c.unusable(resp, nil)
	}
	var err error
	if p, ok := out.(*page); ok {
		err = p.decode(resp.Data)
	} else {
		err = json.Unmarshal(resp.Data, out)
	}
	if err != nil {
		if errors.As(err, new(*json.UnmarshalTypeError)) { // whose text has names of Go
			err = errors.New(config.DescribeJSON(resp.Data, err))
		}
		return c.unusable(resp, err)
	}
	return nil
}

// unusable returns the error for a 2xx response with an unexpected body. A proxy may have
// sent it, so the outcome of a create is unknown.
func (c *Client) unusable(resp *transport.Response, cause error) error {
	err := fmt.Errorf("unexpected body (%s)", describeBody(resp, c.secrets))
	if cause != nil {
		err = fmt.Errorf("%w: %s", err, oneLine(c.secrets.clean(cause.Error())))
	}
	return c.newError(&transport.Error{
		Call: resp.Call, Response: resp, Err: err, Attempts: resp.Attempts,
		OutcomeUnknown: !resp.Call.Idempotent,
	})
}

func checkID(id string) error {
	if err := naming.CheckID(id); err != nil {
		return fmt.Errorf("%w: the ID %w", ErrInvalidArgument, err)
	}
	return nil
}

func checkName(field, name string) error {
	if err := naming.CheckName(name); err != nil {
		return fmt.Errorf("%w: %s %w", ErrInvalidArgument, field, err)
	}
	return nil
}

// Timestamp is a struct that embeds a [time.Time], so its methods work, as in
// c.Created.Before(t), and Timestamp{Time: t} makes one. json.Unmarshal reads every format that
// the service is known to send. json.Marshal writes RFC 3339.
type Timestamp = api.Timestamp
