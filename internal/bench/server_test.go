package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	records     = 100_000
	slowRecords = 250 + 39*249 // 40 pages, as the SDK reads a record of the page before again
	latency     = 100 * time.Millisecond
	version     = "/v2024/connector-customizers"
)

// servers are where the tenants of the measurements listen. They run in a process of
// their own, so that what they allocate is not counted, and hand out bytes that were
// made before, so that they take little of the time.
type servers struct {
	Fast string // has all records
	Slow string // has slowRecords of them, and answers after latency
	TLS  string // as Fast, over TLS, by HTTP/1.1 or HTTP/2
	Cert []byte
}

var tenants servers

const asServer = "BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		serve()
		return
	}
	os.Exit(besideServers(m))
}

// besideServers runs the tests and benchmarks beside the servers.
func besideServers(m *testing.M) int {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), asServer+"=1")
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe() // it ends when this closes, however this process ends
	if err != nil {
		panic(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := child.Start(); err != nil {
		panic(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = child.Wait()
	}()
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&tenants); err != nil {
		panic(err)
	}
	return m.Run()
}

func serve() {
	all := newTenant(records)
	fast := httptest.NewServer(all)
	slow := httptest.NewServer(delayed(newTenant(slowRecords)))
	tls := httptest.NewUnstartedServer(all)
	tls.EnableHTTP2 = true
	tls.StartTLS()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	if err := json.NewEncoder(os.Stdout).Encode(servers{fast.URL, slow.URL, tls.URL, cert}); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func delayed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(latency):
			h.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// A tenant answers all six operations, and keeps nothing.
type tenant struct {
	*http.ServeMux
	list   []byte // the records, with commas between
	begins []int  // where each begins in list, and where the next one would

	mu   sync.Mutex
	busy map[string]bool // the IDs that were answered 429
}

func record(i int) []byte {
	return fmt.Appendf(nil, `{"id":"7f1f0f0e-6d25-4a39-9c69-%012x","name":"customizer-%d","imageVersion":%d,`+
		`"imageID":"2c91808a7813090a0178%012x","tenantID":"2c91808568c529c60168cca6f90c1313","created":"2021-05-11T22:%02d:%02dZ"}`,
		i, i, 1+i%9, i, i/60%60, i%60)
}

func newTenant(n int) *tenant {
	t := &tenant{ServeMux: http.NewServeMux(), begins: make([]int, 1, n+1), busy: map[string]bool{}}
	var b bytes.Buffer
	for i := range n {
		b.Write(record(i))
		b.WriteByte(',')
		t.begins = append(t.begins, b.Len())
	}
	t.list = b.Bytes()
	one := record(0)
	t.HandleFunc("GET "+version, t.page)
	t.HandleFunc("POST "+version, answer(http.StatusCreated, one))
	t.HandleFunc("GET "+version+"/{id}", answer(http.StatusOK, one))
	t.HandleFunc("PUT "+version+"/{id}", answer(http.StatusOK, one))
	t.HandleFunc("DELETE "+version+"/{id}", answer(http.StatusNoContent, nil))
	t.HandleFunc("POST "+version+"/{id}/versions", t.upload)
	return t
}

func answer(status int, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

func (t *tenant) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	offset, _ := strconv.Atoi(q.Get("offset"))
	limit, _ := strconv.Atoi(cmp.Or(q.Get("limit"), "250"))
	n := len(t.begins) - 1
	from, to := t.begins[min(offset, n)], t.begins[min(offset+limit, n)]
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(1+max(1, to-from)))
	_, _ = io.WriteString(w, "[")
	_, _ = w.Write(t.list[from:max(from, to-1)])
	_, _ = io.WriteString(w, "]")
}

// upload answers 429 to the first upload for each ID that begins with "busy", before
// it reads the archive.
func (t *tenant) upload(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	t.mu.Lock()
	refuse := len(id) > 4 && id[:4] == "busy" && !t.busy[id]
	t.busy[id] = true
	t.mu.Unlock()
	if refuse {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":" Rate Limit Exceeded "}`)
		return
	}
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil || n != r.ContentLength {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"customizerID":"c","imageID":"i","version":1,"created":"2021-05-11T22:23:16Z"}`)
}
