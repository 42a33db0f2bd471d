// Package instances lists the connector instances of a tenant, links customizers to them and
// reads their logs. A customizer does not run until it is linked to an instance.
//
//	all, err := instances.List(ctx, client)
//	linked, err := instances.Link(ctx, client, customizer.ID, all[0].ID)
//
// SailPoint lists the endpoints, /beta/connector-instances and /beta/platform-logs, but publishes
// no schema for them. Its CLI and its extension for VS Code use them, and this package sends the
// same requests. SailPoint may change the endpoints without notice. Their scopes are not
// documented, so the scopes named here are those of the customizer endpoints.
//
// # Errors
//
// The functions return
//
//   - [customizers.ErrInvalidArgument] if a name is blank, or an ID is empty, is "." or "..", or
//     contains a slash, white space or control characters; nothing was sent;
//   - the error of the [Doer] if it returns one;
//   - the [*customizers.Error] of [customizers.CheckResponse] if the status is not 2xx;
//   - an error that describes the body if the status is 2xx but the body is unexpected.
package instances

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/naming"
)

// A Doer sends a request whose URL is a path of the tenant. [*customizers.Client] implements
// it.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// An Instance is a connector instance. It runs the customizer linked to it.
type Instance struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	CustomizerID string `json:"connectorCustomizerId,omitzero"` // empty if no customizer is linked
}

const collection = "/beta/connector-instances"

// List returns all connector instances. As far as is known, the endpoint has no pages. List
// needs the scope sp:connector:read, and [customizers.Client] retries it. If the tenant lacks
// the endpoint, List returns an error that does not match [customizers.ErrNotFound].
func List(ctx context.Context, doer Doer) ([]Instance, error) {
	var all []Instance
	err := send(ctx, doer, http.MethodGet, collection, nil, &all, func() error {
		if all == nil {
			return errors.New("null instead of a list")
		}
		if i := slices.IndexFunc(all, func(i Instance) bool { return i.ID == "" }); i >= 0 {
			return fmt.Errorf("instance %d has no ID", i)
		}
		return nil
	})
	if err != nil {
		return nil, noEndpoint("connector instances", err)
	}
	return all, nil
}

// noEndpoint returns err. If err is a 404, it says so instead that the tenant lacks an endpoint.
func noEndpoint(what string, err error) error {
	if errors.Is(err, customizers.ErrNotFound) {
		return fmt.Errorf("customizers: the tenant has no endpoint for %s: %v", what, err) //nolint:errorlint // not ErrNotFound
	}
	return err
}

// Link links a customizer to an instance, replacing any earlier link, and returns the
// changed instance. If there is no such instance, it returns [customizers.ErrNotFound]. Link
// needs the scope sp:connector:manage.
//
// [customizers.Client] does not retry Link after a 5xx or a broken connection. Link then
// reads the list, which needs the scope sp:connector:read, and succeeds if the list shows the
// link. Otherwise the error matches [customizers.ErrOutcomeUnknown]. Link also reads the list
// before it returns [customizers.ErrBadRequest]. It is safe to repeat Link.
func Link(ctx context.Context, doer Doer, customizerID, instanceID string) (*Instance, error) {
	if err := naming.CheckID(customizerID); err != nil {
		return nil, fmt.Errorf("%w: the customizer's ID %w", customizers.ErrInvalidArgument, err)
	}
	return patch(ctx, doer, instanceID, customizerID, operation{Op: "replace", Path: "/connectorCustomizerId", Value: customizerID})
}

// Unlink removes the link of an instance, and returns the changed instance. It also succeeds
// if no customizer is linked. Its scope, errors and retries are those of [Link].
func Unlink(ctx context.Context, doer Doer, instanceID string) (*Instance, error) {
	return patch(ctx, doer, instanceID, "", operation{Op: "remove", Path: "/connectorCustomizerId"})
}

// An operation is an operation of a JSON Patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value,omitzero"`
}

// patch applies op to an instance, and checks that the given customizer is linked afterwards.
func patch(ctx context.Context, doer Doer, instanceID, customizerID string, op operation) (*Instance, error) {
	if err := naming.CheckID(instanceID); err != nil {
		return nil, fmt.Errorf("%w: the instance's ID %w", customizers.ErrInvalidArgument, err)
	}
	done := func(i Instance) bool {
		return strings.EqualFold(i.ID, instanceID) && strings.EqualFold(i.CustomizerID, customizerID)
	}
	body, err := json.Marshal([]operation{op})
	if err != nil {
		return nil, err
	}
	var out Instance
	err = send(ctx, doer, http.MethodPatch, collection+"/"+url.PathEscape(instanceID), body, &out, func() error {
		if !done(out) {
			return fmt.Errorf("it shows the instance %q with the customizer %q", out.ID, out.CustomizerID)
		}
		return nil
	})
	if errors.Is(err, customizers.ErrOutcomeUnknown) || errors.Is(err, customizers.ErrBadRequest) {
		all, _ := List(ctx, doer) // if it fails, err is more useful than its error
		if i := slices.IndexFunc(all, done); i >= 0 {
			return &all[i], nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// send sends a request, decodes the response into out and calls check. If a PATCH fails but
// the service may have carried it out, the error matches ErrOutcomeUnknown. A POST is a query,
// which is retried like a read.
func send(ctx context.Context, doer Doer, method, path string, body []byte, out any, check func() error) error {
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", customizers.ErrInvalidArgument, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPost {
		req.Header["Idempotency-Key"] = nil // not sent
	}
	resp, err := doer.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := customizers.CheckResponse(resp); err != nil {
		return err
	}
	data, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(data, out)
	}
	if err == nil {
		err = check()
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("customizers: %s %s: %d: unexpected body (%d bytes of %q): %w",
		method, path, resp.StatusCode, len(data), resp.Header.Get("Content-Type"), err)
	if method == http.MethodPatch {
		return fmt.Errorf("%w: %w", customizers.ErrOutcomeUnknown, err)
	}
	return err
}
