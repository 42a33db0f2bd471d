// Package instances lists the connector instances of a tenant, and links customizers to
// them. A customizer runs nowhere until it is linked to an instance.
//
//	all, err := instances.List(ctx, client)
//	linked, err := instances.Link(ctx, client, all[0].ID, customizer.ID)
//
// The endpoints, under /beta/connector-instances, are in no published specification.
// SailPoint's CLI and its extension for VS Code use them, and this package sends what they
// send. SailPoint may change them without notice. The scopes named here are those of
// customizers; the ones of these endpoints are documented nowhere.
//
// # Errors
//
// An ID that is empty, is "." or "..", or has a slash, white space or control characters is
// [customizers.ErrInvalidArgument], and nothing is sent. If the service refuses a request,
// the error is the [*customizers.Error] of [customizers.CheckResponse]. A success without
// the expected body is an error too.
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

// A Doer sends a request whose URL is a path of the tenant. [*customizers.Client] is one.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// An Instance is a connector instance. It runs the customizer that is linked to it.
type Instance struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	CustomizerID string `json:"connectorCustomizerId,omitzero"` // empty if no customizer is linked
}

const collection = "/beta/connector-instances"

// List returns all connector instances; the endpoint is not known to page. List needs the
// scope sp:connector:read, and [customizers.Client] retries it. A 404 means that the tenant
// lacks the endpoint, and does not match [customizers.ErrNotFound].
func List(ctx context.Context, doer Doer) ([]Instance, error) {
	var all []Instance
	err := send(ctx, doer, http.MethodGet, collection, nil, &all, func() error {
		if all == nil {
			return errors.New("it is null, not a list")
		}
		if i := slices.IndexFunc(all, func(i Instance) bool { return i.ID == "" }); i >= 0 {
			return fmt.Errorf("record %d has no id", i)
		}
		return nil
	})
	if errors.Is(err, customizers.ErrNotFound) {
		return nil, fmt.Errorf("customizers: the tenant has no endpoint for connector instances: %v", err) //nolint:errorlint // not ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Link links a customizer to an instance, in place of one that was linked before, and
// returns the instance as it is afterwards. If there is no such instance, the error is
// [customizers.ErrNotFound]. Link needs the scope sp:connector:manage.
//
// [customizers.Client] does not retry Link after a 5xx or a broken connection. Link then
// reads the list, which needs the scope sp:connector:read, and succeeds if the list shows the
// link. Otherwise the error matches [customizers.ErrOutcomeUnknown]. Link also reads the list
// before it returns [customizers.ErrBadRequest]. It is safe to repeat Link.
func Link(ctx context.Context, doer Doer, instanceID, customizerID string) (*Instance, error) {
	if err := naming.CheckID(customizerID); err != nil {
		return nil, fmt.Errorf("%w: the customizer's id %w", customizers.ErrInvalidArgument, err)
	}
	return patch(ctx, doer, instanceID, customizerID, operation{Op: "replace", Path: "/connectorCustomizerId", Value: customizerID})
}

// Unlink removes the link of an instance, and returns the instance as it is afterwards. If
// no customizer is linked, Unlink succeeds too. Its scope, its errors and what is retried
// are those of [Link].
func Unlink(ctx context.Context, doer Doer, instanceID string) (*Instance, error) {
	return patch(ctx, doer, instanceID, "", operation{Op: "remove", Path: "/connectorCustomizerId"})
}

// An operation is one of a JSON Patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value,omitzero"`
}

// patch applies op to an instance, which should have the given customizer afterwards.
func patch(ctx context.Context, doer Doer, instanceID, customizerID string, op operation) (*Instance, error) {
	if err := naming.CheckID(instanceID); err != nil {
		return nil, fmt.Errorf("%w: the instance's id %w", customizers.ErrInvalidArgument, err)
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
		all, _ := List(ctx, doer) // err says more than an error of the list
		if i := slices.IndexFunc(all, done); i >= 0 {
			return &all[i], nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// send sends a request, decodes the response into out and checks it. If the service may
// have carried out a PATCH that failed, the error matches ErrOutcomeUnknown.
func send(ctx context.Context, doer Doer, method, path string, body []byte, out any, check func() error) error {
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", customizers.ErrInvalidArgument, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := doer.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	refused := resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusRequestTimeout
	if err = customizers.CheckResponse(resp); err == nil {
		var data []byte
		if data, err = io.ReadAll(resp.Body); err == nil {
			err = json.Unmarshal(data, out)
		}
		if err == nil {
			err = check()
		}
		if err != nil {
			err = fmt.Errorf("customizers: %s %s: %d: unexpected body (%d bytes of %q): %w",
				method, path, resp.StatusCode, len(data), resp.Header.Get("Content-Type"), err)
		}
	}
	if err != nil && method == http.MethodPatch && !refused {
		return fmt.Errorf("%w: %w", customizers.ErrOutcomeUnknown, err)
	}
	return err
}
