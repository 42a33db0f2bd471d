package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

// plain is a client that uses net/http and encoding/json.
type plain struct {
	collection string // URL
	http       *http.Client
}

type customizer struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	ImageVersion int64     `json:"imageVersion"`
	ImageID      string    `json:"imageID"`
	TenantID     string    `json:"tenantID"`
	Created      time.Time `json:"created"`
}

type name struct {
	Name string `json:"name"`
}

func (p plain) get()    { p.call(http.MethodGet, "/"+id, nil, &customizer{}) }
func (p plain) create() { p.call(http.MethodPost, "", name{"n"}, &customizer{}) }
func (p plain) update() { p.call(http.MethodPut, "/"+id, name{"n"}, &customizer{}) }

func (p plain) list(limit int) {
	p.call(http.MethodGet, fmt.Sprintf("?limit=%d", limit), nil, &[]customizer{})
}

func (p plain) all() (records int) {
	for {
		var page []customizer
		p.call(http.MethodGet, fmt.Sprintf("?limit=250&offset=%d", records), nil, &page)
		records += len(page)
		if len(page) < 250 {
			return records
		}
	}
}

func (p plain) upload(archive *os.File) {
	size := must(archive.Stat()).Size()
	body := io.NewSectionReader(archive, 0, size)
	req := must(http.NewRequestWithContext(ctx, http.MethodPost, p.collection+"/"+id+"/versions", body))
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/zip")
	p.send(req, &customizer{})
}

// call sends in as JSON, unless it is nil, and decodes the response into out.
func (p plain) call(method, path string, in, out any) {
	if in == nil {
		p.send(must(http.NewRequestWithContext(ctx, method, p.collection+path, nil)), out)
		return
	}
	body := bytes.NewReader(must(json.Marshal(in)))
	req := must(http.NewRequestWithContext(ctx, method, p.collection+path, body))
	req.Header.Set("Content-Type", "application/json")
	p.send(req, out)
}

// send sends a request with a timeout of two minutes, which is the SDK's stall timeout.
func (p plain) send(req *http.Request, out any) {
	ctx, cancel := context.WithTimeout(req.Context(), 2*time.Minute)
	defer cancel()
	req = req.WithContext(ctx)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := p.http.Do(req)
	check(err)
	defer func() { _ = resp.Body.Close() }()
	body := must(io.ReadAll(resp.Body))
	if resp.StatusCode/100 != 2 {
		log.Panicf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	check(json.Unmarshal(body, out))
}
