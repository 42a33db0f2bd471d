package customizers

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

// An upload of at least this size waits for 100 Continue before it sends the body. Otherwise
// a service that rejects it early (429, an expired token) closes the connection while the
// client is still writing, and its response is lost.
const expectContinueFrom = 1 << 20

// An archive is the body of a CreateVersion request.
type archive struct {
	open   func() io.ReadCloser // nil if there is none
	size   int64                // -1 if unknown
	replay bool                 // whether open can be called again
}

// newArchive returns the body that sends r. It is empty if r is nil.
func newArchive(r io.Reader) (*archive, error) {
	if r == nil {
		return &archive{}, nil
	}
	once := &archive{open: func() io.ReadCloser { return io.NopCloser(r) }, size: -1}
	if f, ok := r.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("%w: the archive can't be read: %w", ErrInvalidArgument, err)
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%w: the archive %s is a folder (want a zip file)", ErrInvalidArgument, f.Name())
		}
		if !info.Mode().IsRegular() {
			return once, nil // a pipe or a device
		}
	}
	seeker, ok := r.(interface {
		io.ReaderAt
		io.Seeker
	})
	if !ok {
		if l, ok := r.(interface{ Len() int }); ok {
			once.size = int64(l.Len())
		}
		if once.size == 0 {
			return nil, fmt.Errorf("%w: the archive is empty or was already read", ErrInvalidArgument)
		}
		return once, nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("%w: the archive's offset is unknown: %w", ErrInvalidArgument, err)
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = seeker.Seek(start, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the archive's size is unknown: %w", ErrInvalidArgument, err)
	}
	if end <= start {
		return nil, fmt.Errorf("%w: the archive has %d bytes and its offset is %d, so there is nothing to send (seek to its start first?)",
			ErrInvalidArgument, end, start)
	}
	return &archive{
		open:   func() io.ReadCloser { return io.NopCloser(io.NewSectionReader(seeker, start, end-start)) },
		size:   end - start,
		replay: true,
	}, nil
}

// attach makes the archive the body of a request that was built without one.
func (a *archive) attach(req *http.Request) {
	if a.open == nil {
		req.Header.Del("Content-Type")
		return
	}
	req.Body, req.ContentLength = a.open(), a.size
	if a.replay {
		req.GetBody = func() (io.ReadCloser, error) { return a.open(), nil }
	}
	if a.size < 0 || a.size >= expectContinueFrom {
		req.Header.Set("Expect", "100-continue")
	}
}
