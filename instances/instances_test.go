package instances_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

var _ instances.Doer = (*customizers.Client)(nil)

// A recorder records the requests of a client.
type recorder struct {
	instances.Doer

	sent []string // method, path, Content-Type and body
}

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.GetBody != nil {
		r, _ := req.GetBody()
		body, _ = io.ReadAll(r)
	}
	r.sent = append(r.sent, strings.TrimSpace(strings.Join([]string{req.Method, req.URL.String(), req.Header.Get("Content-Type"), string(body)}, " ")))
	return r.Doer.Do(req)
}

const (
	one, two = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222" // customizers
	a, b     = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb" // instances
)

// serve starts a fake tenant with two customizers and two instances: a, which is not linked,
// and b, which is linked to one.
func serve(t *testing.T, opts ...customizerstest.Option) (*customizerstest.Server, *recorder) {
	t.Helper()
	srv := customizerstest.NewServer(append(opts,
		customizerstest.WithCustomizers(customizers.Customizer{ID: one, Name: "one"}, customizers.Customizer{ID: two, Name: "two"}),
		customizerstest.WithInstances(instances.Instance{ID: a, Name: "a"}, instances.Instance{ID: b, Name: "b", CustomizerID: one}),
	)...)
	t.Cleanup(srv.Close)
	quick := customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond, MaxWait: time.Second})
	return srv, &recorder{Doer: srv.Client(quick)}
}

// customizerOf returns the customizer that is linked to an instance.
func customizerOf(srv *customizerstest.Server, id string) string {
	for _, i := range srv.Instances() {
		if i.ID == id {
			return i.CustomizerID
		}
	}
	return "no such instance"
}

const (
	list      = "GET /beta/connector-instances"
	linkOne   = `[{"op":"replace","path":"/connectorCustomizerId","value":"` + one + `"}]`
	linkTwo   = `[{"op":"replace","path":"/connectorCustomizerId","value":"` + two + `"}]`
	unlinkAny = `[{"op":"remove","path":"/connectorCustomizerId"}]`
)

func patchOf(id, body string) string {
	return "PATCH /beta/connector-instances/" + id + " application/json " + body
}

func link(id, customizer string) func(context.Context, instances.Doer) (*instances.Instance, error) {
	return func(ctx context.Context, d instances.Doer) (*instances.Instance, error) {
		return instances.Link(ctx, d, customizer, id)
	}
}

func unlink(id string) func(context.Context, instances.Doer) (*instances.Instance, error) {
	return func(ctx context.Context, d instances.Doer) (*instances.Instance, error) {
		return instances.Unlink(ctx, d, id)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	srv, doer := serve(t)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.ListInstances, Status: 503})
	all, err := instances.List(t.Context(), doer)
	require.NoError(t, err)
	assert.Equal(t, []instances.Instance{{ID: a, Name: "a"}, {ID: b, Name: "b", CustomizerID: one}}, all)
	assert.Equal(t, []string{list}, doer.sent)
	assert.Len(t, srv.Requests(customizerstest.ListInstances), 2)

	empty := customizerstest.NewServer()
	t.Cleanup(empty.Close)
	all, err = instances.List(t.Context(), empty.Client())
	require.NoError(t, err)
	assert.Empty(t, all)
}

func TestListFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault customizerstest.Fault
		is    error
		says  string
	}{
		"forbidden":        {customizerstest.Fault{Status: 403}, customizers.ErrForbidden, "403"},
		"connection broke": {customizerstest.Fault{Reset: true, Times: -1}, customizers.ErrConnection, list[4:]},
		"no such endpoint": {customizerstest.Fault{Status: 404}, nil, "the tenant has no endpoint for connector instances"},
		"HTML":             {customizerstest.Fault{Status: 200, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}}, nil, `/beta/connector-instances: 200: unexpected body (6 bytes of "text/html"): invalid character`},
		"no body":          {customizerstest.Fault{Status: 200}, nil, "unexpected body (0 bytes"},
		"null":             {customizerstest.Fault{Status: 200, Body: "null"}, nil, "null instead of a list"},
		"object":           {customizerstest.Fault{Status: 200, Body: `{"items":[]}`}, nil, "cannot unmarshal object"},
		"no id":            {customizerstest.Fault{Status: 200, Body: `[{"id":"x"},{"name":"y"}]`}, nil, "instance 1 has no ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, doer := serve(t)
			tt.fault.Operation = customizerstest.ListInstances
			srv.Inject(tt.fault)
			all, err := instances.List(t.Context(), doer)
			assert.Nil(t, all)
			require.ErrorContains(t, err, tt.says)
			var e *customizers.Error
			if tt.is != nil {
				assert.ErrorIs(t, err, tt.is)
				assert.ErrorAs(t, err, &e)
			}
			assert.NotErrorIs(t, err, customizers.ErrNotFound)
			assert.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
		})
	}
}

// The requests are those of SailPoint's clients, and the changed instance is returned.
func TestLinkAndUnlink(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call func(context.Context, instances.Doer) (*instances.Instance, error)
		want instances.Instance
		sent []string
	}{
		"link":           {link(a, one), instances.Instance{ID: a, Name: "a", CustomizerID: one}, []string{patchOf(a, linkOne)}},
		"link again":     {link(b, one), instances.Instance{ID: b, Name: "b", CustomizerID: one}, []string{patchOf(b, linkOne)}},
		"replace":        {link(b, two), instances.Instance{ID: b, Name: "b", CustomizerID: two}, []string{patchOf(b, linkTwo)}},
		"unlink":         {unlink(b), instances.Instance{ID: b, Name: "b"}, []string{patchOf(b, unlinkAny)}},
		"nothing linked": {unlink(a), instances.Instance{ID: a, Name: "a"}, []string{patchOf(a, unlinkAny), list}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, doer := serve(t)
			got, err := tt.call(t.Context(), doer)
			require.NoError(t, err)
			assert.Equal(t, tt.want, *got)
			assert.Equal(t, tt.sent, doer.sent)
			assert.Equal(t, tt.want.CustomizerID, customizerOf(srv, tt.want.ID))
		})
	}
}

// IDs match in any case. Characters with a meaning in URLs are escaped.
func TestIDs(t *testing.T) {
	t.Parallel()
	_, doer := serve(t)
	got, err := instances.Link(t.Context(), rewriter{doer, strings.ToUpper(a), a}, one, strings.ToUpper(a))
	require.NoError(t, err)
	assert.Equal(t, a, got.ID)

	_, doer = serve(t)
	_, err = instances.Unlink(t.Context(), doer, "a?b#c%2Fd")
	require.ErrorIs(t, err, customizers.ErrNotFound)
	assert.Equal(t, []string{patchOf("a%3Fb%23c%252Fd", unlinkAny)}, doer.sent)
}

// A rewriter replaces an ID in paths, like a service that accepts IDs in any case.
type rewriter struct {
	instances.Doer

	from, to string
}

func (r rewriter) Do(req *http.Request) (*http.Response, error) {
	req.URL.Path = strings.Replace(req.URL.Path, r.from, r.to, 1)
	return r.Doer.Do(req)
}

func TestInvalidArguments(t *testing.T) {
	t.Parallel()
	_, doer := serve(t)
	for _, id := range []string{"", ".", "..", "a/b", `a\b`, "a b", "a\n", "\x00", "a\u00a0"} {
		for i, call := range []func(context.Context, instances.Doer) (*instances.Instance, error){link(id, one), unlink(id), link(a, id)} {
			got, err := call(t.Context(), doer)
			assert.Nil(t, got)
			require.ErrorIs(t, err, customizers.ErrInvalidArgument, "%q", id)
			assert.ErrorContains(t, err, []string{"the instance's ID", "the instance's ID", "the customizer's ID"}[i], "%q", id)
		}
	}
	_, err := instances.List(nil, doer) //nolint:staticcheck // a nil context
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	assert.Empty(t, doer.sent)
}

// The outcome of a failed PATCH to an instance that is not linked.
func TestLinkFails(t *testing.T) {
	t.Parallel()
	type fault = customizerstest.Fault
	for name, tt := range map[string]struct {
		fault   fault
		is      error // nil if Link succeeds
		unknown bool
		patches int
		lists   int
	}{
		"429":                           {fault{Status: 429}, nil, false, 2, 0},
		"forbidden":                     {fault{Status: 403}, customizers.ErrForbidden, false, 1, 0},
		"no such instance":              {fault{Status: 404}, customizers.ErrNotFound, false, 1, 0},
		"bad request":                   {fault{Status: 400}, customizers.ErrBadRequest, false, 1, 1},
		"bad request, but linked":       {fault{Status: 400, Apply: true}, nil, false, 1, 1},
		"500":                           {fault{Status: 500}, customizers.ErrServer, true, 1, 1},
		"500, but linked":               {fault{Status: 500, Apply: true}, nil, false, 1, 1},
		"connection broke, but linked":  {fault{Reset: true, Apply: true}, nil, false, 1, 1},
		"HTML":                          {fault{Status: 200, Body: "<html>"}, customizers.ErrOutcomeUnknown, true, 1, 1},
		"half a body":                   {fault{TruncateAt: 5}, nil, false, 1, 1},
		"success with another instance": {fault{Status: 200, Body: `{"id":"` + b + `","connectorCustomizerId":"` + one + `"}`}, customizers.ErrOutcomeUnknown, true, 1, 1},
		"success that changes nothing":  {fault{Status: 200, Body: `{"id":"` + a + `"}`}, customizers.ErrOutcomeUnknown, true, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, doer := serve(t)
			tt.fault.Operation = customizerstest.UpdateInstance
			srv.Inject(tt.fault)
			got, err := instances.Link(t.Context(), doer, one, a)
			assert.Len(t, srv.Requests(customizerstest.UpdateInstance), tt.patches)
			assert.Len(t, srv.Requests(customizerstest.ListInstances), tt.lists)
			if tt.is == nil {
				require.NoError(t, err)
				assert.Equal(t, instances.Instance{ID: a, Name: "a", CustomizerID: one}, *got)
				assert.Equal(t, one, customizerOf(srv, a))
				return
			}
			assert.Nil(t, got)
			require.ErrorIs(t, err, tt.is)
			if tt.unknown {
				assert.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
			} else {
				assert.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
			}
			assert.Empty(t, customizerOf(srv, a))
		})
	}
}

// If the list fails too, the error is that of the PATCH.
func TestUnlinkAndListFail(t *testing.T) {
	t.Parallel()
	srv, doer := serve(t)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.UpdateInstance, Reset: true, Apply: true},
		customizerstest.Fault{Operation: customizerstest.ListInstances, Status: 403})
	_, err := instances.Unlink(t.Context(), doer, b)
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
	assert.NotErrorIs(t, err, customizers.ErrForbidden)
	_, err = instances.Unlink(t.Context(), doer, b)
	require.NoError(t, err, "it is safe to repeat")
}

// Link returns when its context ends, without reading the list.
func TestLinkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, doer := serve(t, customizerstest.WithoutSocket())
		srv.Inject(customizerstest.Fault{Operation: customizerstest.UpdateInstance, Delay: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := instances.Link(ctx, doer, one, a)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
		assert.Equal(t, time.Second, time.Since(start))
		assert.Empty(t, srv.Requests(customizerstest.ListInstances))
	})
}

func TestScopes(t *testing.T) {
	t.Parallel()
	_, doer := serve(t, customizerstest.WithScopes("sp:connector:read"))
	_, err := instances.List(t.Context(), doer)
	require.NoError(t, err)
	_, err = instances.Link(t.Context(), doer, one, a)
	require.ErrorIs(t, err, customizers.ErrForbidden)
}
