package customizers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/connector-customizers/customizers/api"
)

// decode reads the JSON of a response that is a success into v. It takes the result
// of a call of the generated client, error and all.
func decode(resp *http.Response, err error, v any) error {
	if err != nil {
		return err
	}
	body := bodyOf(resp).data
	if len(body) == 0 {
		return undecoded(resp, "")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return undecoded(resp, err.Error())
	}
	return nil
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
	var c api.ConnectorCustomizersResponse // has every field that the answers to create and update have
	if err := decode(resp, err, &c); err != nil {
		return nil, err
	}
	if c.ID == "" {
		return nil, undecoded(resp, "it holds no customizer with an id")
	}
	out := customizerOf(&c)
	return &out, nil
}

// decodeVersion reads a version of the customizer id. The contract lets the answer be
// null, so what is missing is no error.
func decodeVersion(resp *http.Response, err error, id string) (*Version, error) {
	var v api.ConnectorCustomizerVersionCreateResponse
	if err := decode(resp, err, &v); err != nil {
		return nil, err
	}
	return &Version{
		CustomizerID: firstOf(v.CustomizerID, v.ConnectorCustomizerID, id),
		ImageID:      firstOf(v.ImageID, v.ImageIDInUse),
		Version:      v.Version,
		Created:      v.Created.Time,
	}, nil
}

func decodePage(resp *http.Response, err error, opts ListOptions) (*Page, error) {
	records := make([]api.ConnectorCustomizersResponse, 0, opts.Limit)
	if err := decode(resp, err, &records); err != nil {
		return nil, err
	}
	if records == nil {
		return nil, undecoded(resp, "it is null, not a list")
	}
	p := &Page{Items: make([]Customizer, len(records)), Offset: opts.Offset, Total: -1}
	for i := range records {
		p.Items[i] = customizerOf(&records[i])
		if p.Items[i].ID == "" {
			return nil, undecoded(resp, fmt.Sprintf("record %d has no id", i))
		}
	}
	if n, err := strconv.Atoi(resp.Header.Get("X-Total-Count")); err == nil && n >= 0 {
		p.Total = n
	}
	return p, nil
}

// decodeNothing takes the answer to a delete: no body, or one that is JSON.
func decodeNothing(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	if len(bodyOf(resp).data) == 0 {
		return nil
	}
	return decode(resp, nil, new(json.RawMessage))
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
