package customizerstest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestSixOperations(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	client := srv.Client()
	start := time.Now().Add(-time.Second)
	made, err := client.Create(t.Context(), customizers.CreateRequest{Name: "one"})
	require.NoError(t, err)
	assert.WithinRange(t, made.Created.Time, start, time.Now())
	assert.NotEmpty(t, made.ID)
	assert.Equal(t, customizers.Customizer{ID: made.ID, Name: "one", TenantID: srv.Add("x")[0].TenantID, Created: made.Created}, *made)
	require.NoError(t, client.Delete(t.Context(), srv.Customizers()[1].ID))

	made.Name = "two"
	updated, err := client.Update(t.Context(), made.ID, customizers.UpdateRequest{Name: "two"})
	require.NoError(t, err)
	assert.Equal(t, made, updated)
	got := newPeer(t, srv).send(http.MethodPut, collection+"/"+made.ID, "", "")
	assert.Equal(t, *made, decode[customizers.Customizer](t, got), "the contract does not require a body")

	version, err := client.CreateVersion(t.Context(), made.ID, nil)
	require.NoError(t, err)
	made.ImageVersion, made.ImageID = 1, version.ImageID
	page, err := client.List(t.Context(), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, []customizers.Customizer{*made}, page.Items)

	require.NoError(t, client.Delete(t.Context(), made.ID))
	_, err = client.Get(t.Context(), made.ID)
	require.ErrorIs(t, err, customizers.ErrNotFound)
	assert.Empty(t, srv.Customizers())
	assert.Empty(t, srv.Versions(made.ID))
}

func TestList(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t, customizerstest.WithCustomizerCount(253)))
	tests := []struct {
		query string
		first string // name of the first customizer
		n     int
		total string
	}{
		{"", "customizer-000001", 250, ""},
		{"?limit=2", "customizer-000001", 2, ""},
		{"?limit=0", "", 0, ""},
		{"?offset=250", "customizer-000251", 3, ""},
		{"?offset=100&limit=1", "customizer-000101", 1, ""},
		{"?offset=253", "", 0, ""},
		{"?count=false&limit=1", "customizer-000001", 1, ""},
		{"?count=true&limit=1", "customizer-000001", 1, "253"},
		{"?count=true&offset=300", "", 0, "253"},
	}
	for _, tt := range tests {
		got := p.get(collection + tt.query)
		list := decode[[]customizers.Customizer](t, got)
		require.NotNil(t, list, "an empty list is [], not null")
		require.Len(t, list, tt.n, tt.query)
		if tt.n > 0 {
			assert.Equal(t, tt.first, list[0].Name, tt.query)
		}
		assert.Equal(t, tt.total, got.header.Get("X-Total-Count"), tt.query)
	}
}

func TestCreateStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusCreated} {
		p := newPeer(t, serve(t, customizerstest.WithCreateStatus(status)))
		for _, base := range []string{collection, "/beta/connector-customizers"} {
			assert.Equal(t, status, p.send(http.MethodPost, base, recordType, `{"name":"a"}`).status, base)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	p := newPeer(t, srv)
	one, other, archive := p.create("one"), p.create("other"), zipArchive(t)
	digest := func(content string) string {
		sum := sha256.Sum256([]byte(content))
		return hex.EncodeToString(sum[:])
	}
	images := map[string]bool{}
	for i, v := range []struct {
		id, contentType, body string
		version               int64
	}{
		{one, archiveType, archive, 1},
		{one, "", "", 2},
		{one, "application/zip; version=2", archive, 3},
		{one, formType, "", 4},
		{one, archiveType, "", 5},
		{one, recordType, "", 6},
		{other, archiveType, archive, 1},
	} {
		got := decode[customizers.Version](t, p.send(http.MethodPost, collection+"/"+v.id+"/versions", v.contentType, v.body))
		assert.Equal(t, v.version, got.Version)
		images[got.ImageID] = true
		assert.Len(t, images, i+1, "each version has its own image")
		all := srv.Versions(v.id)
		require.Len(t, all, int(v.version))
		last := customizerstest.Version{Version: got}
		if v.body != "" {
			last.ArchiveSize, last.ArchiveSHA256 = int64(len(archive)), digest(archive)
			last.ContentSHA256 = digest(`"index.js" ` + digest("") + "\n")
		}
		assert.Equal(t, last, all[v.version-1])
		c := decode[customizers.Customizer](t, p.get(collection+"/"+v.id))
		assert.Equal(t, v.version, c.ImageVersion)
		assert.Equal(t, got.ImageID, c.ImageID)
	}
	assert.Empty(t, srv.Versions("gone"))
}
