package customizers_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestAPIVersions(t *testing.T) {
	t.Parallel()
	for version, base := range map[customizers.APIVersion]string{
		"":                         "/v2024/connector-customizers", // no option
		customizers.APIVersion2024: "/v2024/connector-customizers",
		customizers.APIVersion2025: "/v2025/connector-customizers",
		customizers.APIVersion2026: "/v2026/connector-customizers",
		customizers.APIVersionV1:   "/connector-customizers/v1",
	} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, withOne())
			var opts []customizers.Option
			if version != "" {
				opts = append(opts, customizers.WithAPIVersion(version))
			}
			c := quickClient(t, srv, opts...)
			want := map[customizerstest.Operation]string{customizerstest.Token: "POST /oauth/token"}
			for _, op := range []int{0, 1, 2, 4, 5, 3} { // Delete last
				require.NoError(t, operations[op].call(testContext(t), c))
			}
			want[customizerstest.List] = "GET " + base
			want[customizerstest.Create] = "POST " + base
			want[customizerstest.Get] = "GET " + base + "/one"
			want[customizerstest.Update] = "PUT " + base + "/one"
			want[customizerstest.Delete] = "DELETE " + base + "/one"
			want[customizerstest.CreateVersion] = "POST " + base + "/one/versions"
			got := map[customizerstest.Operation]string{}
			for _, r := range srv.Requests() {
				got[r.Operation] = r.Method + " " + r.Path
				if r.Operation != customizerstest.Token {
					assert.Regexp(t, "^Bearer .", r.Header.Get("Authorization"))
				}
				assert.Equal(t, "application/json", r.Header.Get("Accept"))
			}
			assert.Equal(t, want, got)
			assert.Len(t, srv.Requests(), len(want))
		})
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201} {
		srv := newServer(t, customizerstest.WithCreateStatus(status))
		c := quickClient(t, srv)
		ctx := testContext(t)
		created, err := c.Create(ctx, customizers.CreateRequest{Name: "a"})
		require.NoError(t, err)
		assert.Equal(t, srv.Customizers()[0], *created)
		v, err := c.CreateVersion(ctx, created.ID, bytes.NewReader(zipArchive(t)))
		require.NoError(t, err)
		assert.Equal(t, srv.Versions(created.ID)[0].Version, *v)
		updated, err := c.Update(ctx, created.ID, customizers.UpdateRequest{Name: "b"})
		require.NoError(t, err)
		assert.Equal(t, "b", updated.Name)
		got, err := c.Get(ctx, created.ID)
		require.NoError(t, err)
		assert.Equal(t, srv.Customizers()[0], *got)
		page, err := c.List(ctx, customizers.ListOptions{})
		require.NoError(t, err)
		assert.Equal(t, &customizers.Page{Items: srv.Customizers(), Total: -1}, page)
		require.NoError(t, c.Delete(ctx, created.ID))
		assert.Empty(t, srv.Customizers())
	}
}

// Any ID works, even if it looks like a part of the URL.
func TestUnusualIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"connector-customizers", "v1", "versions", "a?b", "a#b", "100%", "é", "a%2Fb", "a;b=c", "..."} {
		for _, version := range []customizers.APIVersion{customizers.APIVersion2024, customizers.APIVersionV1} {
			srv := newServer(t, customizerstest.WithCustomizers(customizers.Customizer{ID: id, Name: "odd"}))
			c := quickClient(t, srv, customizers.WithAPIVersion(version))
			got, err := c.Get(testContext(t), id)
			require.NoError(t, err, "%q by %s", id, version)
			assert.Equal(t, id, got.ID)
			require.NoError(t, c.Delete(testContext(t), id), "%q by %s", id, version)
			assert.Empty(t, srv.Customizers())
		}
	}
}

func TestInvalidArguments(t *testing.T) {
	t.Parallel()
	srv := newServer(t, withOne())
	c := srv.Client()
	for _, name := range []string{"", " ", "\t\n", "hr-feed\r", " hr-feed", "hr\x00feed", "hr\nfeed", "hr\xff"} {
		_, err := c.Create(t.Context(), customizers.CreateRequest{Name: name})
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		_, err = c.Update(t.Context(), "one", customizers.UpdateRequest{Name: name})
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	}
	for _, opts := range []customizers.ListOptions{{Offset: -1}, {Limit: -1}, {Limit: 251}, {Offset: int(maxOffset) + 1}} {
		_, err := c.List(t.Context(), opts)
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	}
	for _, op := range operations {
		require.ErrorIs(t, op.call(nil, c), customizers.ErrInvalidArgument, op.name)
	}
	assert.Empty(t, srv.Requests())
}

// maxOffset is a variable because the constant maxOffset+1 would not fit a 32-bit int.
var maxOffset uint32 = 1<<31 - 1

func TestListQuery(t *testing.T) {
	t.Parallel()
	for query, opts := range map[string]customizers.ListOptions{
		"limit=250":                   {},
		"limit=7":                     {Limit: 7},
		"limit=250&offset=3":          {Offset: 3},
		"count=true&limit=250":        {Count: true},
		"count=true&limit=1&offset=2": {Offset: 2, Limit: 1, Count: true},
	} {
		srv := newServer(t, customizerstest.WithCustomizerCount(3))
		page, err := quickClient(t, srv).List(testContext(t), opts)
		require.NoError(t, err)
		sent, err := url.ParseQuery(srv.Requests(customizerstest.List)[0].Query)
		require.NoError(t, err)
		assert.Equal(t, query, sent.Encode())
		assert.Equal(t, map[bool]int{true: 3, false: -1}[opts.Count], page.Total)
		assert.Equal(t, opts.Offset, page.Offset)
	}
	for header, want := range map[string]int{"": -1, "0": 0, "-5": -1, "many": -1} {
		page, err := clientOver(t, respond(200, "[]", "X-Total-Count", header)).List(t.Context(), customizers.ListOptions{Count: true})
		require.NoError(t, err)
		assert.Equal(t, want, page.Total, header)
	}
	page, err := clientOver(t, respond(200, "[]", "X-Total-Count", "7")).List(t.Context(), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, -1, page.Total, "without Count")
}

// A 2xx response with an unexpected body is an error. TestMatrix has HTML and no body at all.
func TestUnexpectedBodies(t *testing.T) {
	t.Parallel()
	for body, tt := range map[string]struct {
		says string
		ok   string // operations that accept it
	}{
		`<html>Sign in</html>`:             {"unexpected body (20 bytes of application/json)", ""},
		`{"id":"1"`:                        {"unexpected end of JSON input", ""},
		`null`:                             {"unexpected body (4 bytes of application/json)", "CreateVersion Delete"},
		`{}`:                               {"unexpected body (2 bytes of application/json)", "CreateVersion Delete"},
		`[{"name":"n"}]`:                   {"unexpected body (14 bytes of application/json)", "Delete"},
		`{"id":"1","created":"yesterday"}`: {"unexpected body (32 bytes of application/json)", "Delete"},
		`{"id":7}`:                         {"unexpected body (8 bytes of application/json)", "CreateVersion Delete"},
	} {
		for _, op := range operations {
			err := op.call(t.Context(), clientOver(t, respond(200, body)))
			method := map[customizerstest.Operation]string{customizerstest.Delete: "Delete", customizerstest.CreateVersion: "CreateVersion"}[op.name]
			if method != "" && strings.Contains(tt.ok, method) {
				require.NoError(t, err, "%s %s", op.name, body)
				continue
			}
			var want []error
			if op.create {
				want = []error{customizers.ErrOutcomeUnknown}
			}
			e := failure(t, err, want...)
			assert.Equal(t, http.StatusOK, e.StatusCode)
			assert.Equal(t, 1, e.Attempts)
			require.ErrorContains(t, err, tt.says)
		}
	}
}

func TestVersionFields(t *testing.T) {
	t.Parallel()
	created := customizers.Timestamp{Time: time.Date(2022, 2, 8, 14, 50, 3, 827e6, time.UTC)}
	for body, want := range map[string]customizers.Version{
		`{"customizerID":"c","imageID":"i","version":3,"created":"2022-02-08T14:50:03.827Z"}`:          {CustomizerID: "c", ImageID: "i", Version: 3, Created: created},
		`{"connectorCustomizerId":"c","imageId":"i","version":3,"created":"2022-02-08T14:50:03.827Z"}`: {CustomizerID: "c", ImageID: "i", Version: 3, Created: created},
		`null`: {CustomizerID: "one"},
	} {
		got, err := clientOver(t, respond(200, body)).CreateVersion(t.Context(), "one", nil)
		require.NoError(t, err)
		assert.Equal(t, &want, got)
	}
}

// A delete has succeeded if the service responds to its retry that nothing is there, whatever
// the body says.
func TestDeleteAfterALostResponse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "<html>", `{"trackingId":"t"}`, "{"} {
		wire := newScript(respond(502, ""), respond(404, body, "Content-Type", "text/html"))
		require.NoError(t, clientOver(t, wire).Delete(t.Context(), "x"), body)
		assert.Len(t, wire.requests, 2)
	}
	require.ErrorContains(t, clientOver(t, respond(200, "<html>")).Delete(t.Context(), "x"), "unexpected body (6 bytes of application/json)")
}

// A Customizer can be stored as JSON: it has the service's field names and can be read again.
func TestCustomizerJSON(t *testing.T) {
	t.Parallel()
	const text = `{"id":"1","name":"n","imageVersion":3,"imageID":"i","tenantID":"t","created":"2021-05-11T22:23:16Z"}`
	want := customizers.Customizer{
		ID: "1", Name: "n", ImageVersion: 3, ImageID: "i", TenantID: "t",
		Created: customizers.Timestamp{Time: time.Date(2021, 5, 11, 22, 23, 16, 0, time.UTC)},
	}
	var got customizers.Customizer
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	assert.Equal(t, want, got)
	written, err := json.Marshal(got)
	require.NoError(t, err)
	assert.JSONEq(t, text, string(written))
	written, err = json.Marshal(customizers.Customizer{})
	require.NoError(t, err)
	assert.JSONEq(t, `{}`, string(written), "empty fields are omitted")
}

// The tests of package api have every format of a date.
func TestDates(t *testing.T) {
	t.Parallel()
	want := time.Date(2009, 11, 10, 23, 0, 0, 0, time.UTC)
	for _, created := range []string{"2009-11-10T23:00:00Z", "2009-11-10 23:00:00 +0000 UTC", "2009-11-11T00:00+01:00"} {
		got, err := clientOver(t, respond(200, `{"id":"1","created":"`+created+`"}`)).Get(t.Context(), "1")
		require.NoError(t, err)
		assert.True(t, got.Created.Equal(want), created)
	}
	_, err := clientOver(t, respond(200, `{"id":"1","created":"yesterday"}`)).Get(t.Context(), "1")
	require.ErrorContains(t, err, `"yesterday" is not a date`)
}
