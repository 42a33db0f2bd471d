package customizers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
)

const zipType = "application/zip"

// From this size an upload asks the service whether it wants the body before sending
// it. Without that, a service that refuses early (429, an expired token) closes the
// connection on a sender that is still writing, and its answer is lost.
const expectContinueFrom = 1 << 20

// An upload is the archive of one CreateVersion.
type upload struct {
	open   func() archiveBody // of the archive from its start, nil when there is none
	size   int64              // -1 when not known
	replay bool               // open can be called again
}

// An archiveBody is a request's body that is not in memory, and is the caller's.
type archiveBody struct{ io.Reader }

func (archiveBody) Close() error { return nil }

func newUpload(archive io.Reader) (*upload, error) {
	if archive == nil {
		return &upload{}, nil
	}
	once := &upload{open: func() archiveBody { return archiveBody{archive} }, size: -1}
	if f, ok := archive.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("%w: the archive can't be read: %w", ErrInvalidRequest, err)
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%w: the archive %s is a folder; zip it first", ErrInvalidRequest, f.Name())
		}
		if !info.Mode().IsRegular() {
			return once, nil // a pipe or a device
		}
	}
	seeker, ok := archive.(interface {
		io.ReaderAt
		io.Seeker
	})
	if !ok {
		if l, ok := archive.(interface{ Len() int }); ok {
			once.size = int64(l.Len())
		}
		return once, nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("%w: where the archive stands can't be told: %w", ErrInvalidRequest, err)
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = seeker.Seek(start, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the archive's size can't be told: %w", ErrInvalidRequest, err)
	}
	if end <= start {
		return nil, fmt.Errorf("%w: the archive has %d bytes and stands at %d: nothing is left to send (seek to its start first?)",
			ErrInvalidRequest, end, start)
	}
	return &upload{
		open:   func() archiveBody { return archiveBody{io.NewSectionReader(seeker, start, end-start)} },
		size:   end - start,
		replay: true,
	}, nil
}

// attach gives the archive to a request that was built without a body.
func (u *upload) attach(_ context.Context, req *http.Request) error {
	if u.open == nil {
		req.Header.Del("Content-Type")
		return nil
	}
	req.Body = u.open()
	req.ContentLength = u.size
	if u.replay {
		req.GetBody = func() (io.ReadCloser, error) { return u.open(), nil }
	}
	if u.size < 0 || u.size >= expectContinueFrom {
		req.Header.Set("Expect", "100-continue")
	}
	return nil
}
