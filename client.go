package customizers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/connector-customizers/customizers/api"
	"github.com/connector-customizers/customizers/internal/config"
)

// A Client calls the connector-customizer operations of one tenant. It is safe for
// use by any number of goroutines, which share its token, its rate limit and its
// connections. There is nothing to close.
type Client struct {
	api *api.Client
}

// New returns a client of a tenant. The tenant is its name ("acme"), the URL of its
// API ("https://acme.api.identitynow.com"), or a vanity URL; plain http is accepted
// for loopback hosts only. Of options that say the same thing the last one holds. Credentials must be given by [WithClientCredentials] or
// [WithTokenSource].
//
// Nothing is sent: a wrong secret shows at the first call. An unusable tenant or
// option gives an error that wraps [ErrInvalidRequest].
func New(tenant string, opts ...Option) (*Client, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	base, err := config.BaseURL(tenant)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRequest, err)
	}
	return s.client(base)
}

// Get returns the customizer with the given ID, or an error that is [ErrNotFound].
// It needs the scope sp:connector:read, and is retried.
//
// Here and in the other methods an ID that is empty, is "." or "..", or has a slash or white
// space is [ErrInvalidRequest], and nothing is sent.
func (c *Client) Get(ctx context.Context, id string) (*Customizer, error) {
	if err := checkCall(ctx, id); err != nil {
		return nil, err
	}
	resp, err := c.api.GetConnectorCustomizer(ctx, id)
	return decodeCustomizer(resp, err)
}

// Create creates a customizer, without a version, and returns it. A blank name is
// [ErrInvalidRequest]. It needs the scope sp:connector:manage.
//
// It is sent again only when the service cannot have acted: after a 429, or when no
// connection could be made. When it may have acted, the error is [ErrOutcomeUnknown]:
// look for the customizer, with [Client.All], before creating it again.
func (c *Client) Create(ctx context.Context, r CreateRequest) (*Customizer, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	if strings.TrimSpace(r.Name) == "" {
		return nil, fmt.Errorf("%w: CreateRequest.Name is blank", ErrInvalidRequest)
	}
	resp, err := c.api.CreateConnectorCustomizer(ctx, api.ConnectorCustomizerCreateRequest{Name: r.Name})
	return decodeCustomizer(resp, err)
}

// Update changes the customizer with the given ID and returns it as it is then, or an
// error that is [ErrNotFound]. A blank name is [ErrInvalidRequest]. It needs the scope
// sp:connector:manage, and is retried.
func (c *Client) Update(ctx context.Context, id string, r UpdateRequest) (*Customizer, error) {
	if err := checkCall(ctx, id); err != nil {
		return nil, err
	}
	if strings.TrimSpace(r.Name) == "" {
		return nil, fmt.Errorf("%w: UpdateRequest.Name is blank", ErrInvalidRequest)
	}
	resp, err := c.api.PutConnectorCustomizer(ctx, id, api.ConnectorCustomizerUpdateRequest{Name: r.Name})
	return decodeCustomizer(resp, err)
}

// Delete deletes the customizer with the given ID, or returns an error that is
// [ErrNotFound]. It needs the scope sp:connector:manage, and is retried: when a first
// try was cut off, or answered 408 or 5xx, and a later one finds nothing, the delete
// has succeeded.
func (c *Client) Delete(ctx context.Context, id string) error {
	if err := checkCall(ctx, id); err != nil {
		return err
	}
	resp, err := c.api.DeleteConnectorCustomizer(ctx, id)
	err = decodeNothing(resp, err)
	var e *Error
	if errors.As(err, &e) && e.StatusCode == http.StatusNotFound && e.earlierMayHaveActed {
		return nil
	}
	return err
}

// CreateVersion creates the next version of the customizer with the given ID from a
// zip archive, or without a body when archive is nil. The published specification has no
// body; clients in use send the archive as application/zip. Whether it is a zip archive is
// for the service to find out. It needs the scope sp:connector:manage.
//
// An archive that is an [io.ReaderAt] and an [io.Seeker], such as [*os.File] or
// [*bytes.Reader], is sent from where it stands to its end; each try reads it anew,
// and where it stands does not change. Any other reader is sent once. Either way it
// is streamed, never held in memory, and not closed.
//
// What [Client.Create] says about sending again and [ErrOutcomeUnknown] holds here
// too; compare [Customizer.ImageVersion] before and after to learn the outcome.
func (c *Client) CreateVersion(ctx context.Context, id string, archive io.Reader) (*Version, error) {
	if err := checkCall(ctx, id); err != nil {
		return nil, err
	}
	body, err := newUpload(archive)
	if err != nil {
		return nil, err
	}
	resp, err := c.api.CreateConnectorCustomizerVersionWithBody(ctx, id, zipType, nil, body.attach)
	return decodeVersion(resp, err, id)
}

func checkCall(ctx context.Context, id string) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	return checkID(id)
}

func checkContext(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("%w: the context is nil; use context.Background()", ErrInvalidRequest)
	}
	return nil
}

// checkID refuses the IDs that would change the address they are put into: an empty
// one turns a delete of one customizer into a request to the collection.
func checkID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: the id is empty", ErrInvalidRequest)
	case id == ".", id == "..":
		return fmt.Errorf("%w: the id %q is a path, not an id", ErrInvalidRequest, id)
	case strings.ContainsAny(id, `/\`):
		return fmt.Errorf("%w: the id %q has a slash", ErrInvalidRequest, id)
	case strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fmt.Errorf("%w: the id %q has white space or control characters", ErrInvalidRequest, id)
	}
	return nil
}
