package customizers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/connector-customizers/customizers/internal/record"
)

var (
	customizerJSON = sync.OnceValue(record.New[Customizer]) // has what the answers to create and update have, too
	versionJSON    = sync.OnceValue(record.New[answeredVersion])
)

// An answeredVersion is a version with the names that are seen in use for some fields.
type answeredVersion struct {
	version

	ConnectorCustomizerID string `json:"connectorCustomizerId"`
	ImageIDInUse          string `json:"imageId"`
}

type version = Version // to embed it beside its own field Version

// decode reads the body of a success by read. It takes the result of a call of the
// generated client, error and all.
func decode[T any](resp *http.Response, err error, read func([]byte) (T, error)) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	body := bodyOf(resp).data
	if len(body) == 0 {
		return zero, undecoded(resp, "")
	}
	v, err := read(body)
	if err != nil {
		return zero, undecoded(resp, err.Error())
	}
	return v, nil
}

// bodyOf is the body of a success, which the sender has read.
func bodyOf(resp *http.Response) *inMemory { return resp.Body.(*inMemory) }

// undecoded is the error of a success whose body is not what was due. After a create
// that leaves the outcome open: a 200 with a page of HTML need not be the service's.
func undecoded(resp *http.Response, why string) *Error {
	body := bodyOf(resp)
	e := &Error{
		Operation:  body.call.operation(),
		Method:     resp.Request.Method,
		Path:       resp.Request.URL.Path,
		RequestID:  requestID(resp),
		StatusCode: resp.StatusCode,
		Attempts:   body.call.sent,
		what:       describeBody(resp, len(body.data)) + " where JSON was due",
	}
	if why != "" {
		e.what += ": " + oneLine(body.call.redact(body.call.token)(why)) // it may quote the body
	}
	if !isRepeatable(e.Method) {
		e.wrap(ErrOutcomeUnknown)
	}
	return e
}

func decodeCustomizer(resp *http.Response, err error) (*Customizer, error) {
	c, err := decode(resp, err, customizerJSON().One)
	if err != nil {
		return nil, err
	}
	if c.ID == "" {
		return nil, undecoded(resp, "it holds no customizer with an id")
	}
	return c, nil
}

// decodeVersion reads a version of the customizer id. The contract lets the answer be
// null, so what is missing is no error.
func decodeVersion(resp *http.Response, err error, id string) (*Version, error) {
	v, err := decode(resp, err, versionJSON().One)
	if err != nil {
		return nil, err
	}
	v.CustomizerID = firstOf(v.CustomizerID, v.ConnectorCustomizerID, id)
	v.ImageID = firstOf(v.ImageID, v.ImageIDInUse)
	return &v.version, nil
}

func decodePage(resp *http.Response, err error, opts ListOptions) (*Page, error) {
	items, err := decode(resp, err, func(body []byte) ([]Customizer, error) {
		return customizerJSON().List(body, opts.Limit)
	})
	if err != nil {
		return nil, err
	}
	if items == nil {
		return nil, undecoded(resp, "it is null, not a list")
	}
	for i := range items {
		if items[i].ID == "" {
			return nil, undecoded(resp, fmt.Sprintf("record %d has no id", i))
		}
	}
	p := &Page{Items: items, Offset: opts.Offset, Total: -1}
	if n, err := strconv.Atoi(resp.Header.Get("X-Total-Count")); err == nil && n >= 0 {
		p.Total = n
	}
	return p, nil
}

// decodeNothing takes the answer to a delete: no body, or one that is JSON.
func decodeNothing(resp *http.Response, err error) error {
	if err != nil || len(bodyOf(resp).data) == 0 {
		return err
	}
	if err := json.Unmarshal(bodyOf(resp).data, new(json.RawMessage)); err != nil {
		return undecoded(resp, err.Error())
	}
	return nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
