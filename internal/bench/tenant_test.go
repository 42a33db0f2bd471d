package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const (
	collection = "/v2024/connector-customizers"
	id         = "7f1f0f0e-6d25-4a39-9c69-000000000000"
	token      = "an-access-token-of-some-length"
)

// record returns customizer i as JSON with a comma after it. All records have the same length.
func record(i int) []byte {
	return fmt.Appendf(nil, `{"id":"7f1f0f0e-6d25-4a39-9c69-%012d","name":"customizer-%06d","imageVersion":%d,`+
		`"imageID":"2c91808a7813090a0178%012d","tenantID":"2c91808568c529c60168cca6f90c1313","created":"2021-05-11T22:%02d:%02dZ"},`,
		i, i, 1+i%9, i, i/60%60, i%60)
}

// newTenant returns a tenant of n customizers. It responds to a list with a page, and to any
// other request with one customizer. It encodes them in advance, to take little of the measured
// time.
func newTenant(n int) http.Handler {
	size := len(record(0))
	records := make([]byte, 0, n*size)
	for i := range n {
		records = append(records, record(i)...)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		from, to, format := 0, 1, "%s"
		if r.Method == http.MethodGet && r.URL.Path == collection {
			offset, _ := strconv.Atoi(r.FormValue("offset"))
			limit := must(strconv.Atoi(r.FormValue("limit")))
			from, to, format = min(offset, n), min(offset+limit, n), "[%s]"
		}
		body := fmt.Appendf(nil, format, bytes.TrimSuffix(records[from*size:to*size], []byte(",")))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}
