package customizers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// An upload of at least this size waits for 100 Continue before it sends the body. Otherwise
// a service that rejects it early (429, an expired token) closes the connection while the
// client is still writing, and its response is lost.
const expectContinueFrom = 1 << 20

// attach makes an archive the body of a request that was built without one. If the archive can
// be read again, so can the body. An error is about the archive: nothing can be sent.
func attach(req *http.Request, archive io.Reader) error {
	if archive == nil {
		req.Header.Del("Content-Type")
		return nil
	}
	once := false
	if f, ok := archive.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("the archive can't be read: %w", err)
		}
		if info.IsDir() {
			return fmt.Errorf("the archive %s is a folder (want a zip file)", f.Name())
		}
		once = !info.Mode().IsRegular() // a pipe or a device
	}
	seeker, ok := archive.(interface {
		io.ReaderAt
		io.Seeker
	})
	switch l, sized := archive.(interface{ Len() int }); {
	case ok && !once:
		start, end, err := offsets(seeker)
		if err != nil {
			return fmt.Errorf("the archive's size is unknown: %w", err)
		}
		if end <= start {
			return fmt.Errorf("the archive has %d bytes and its offset is %d, so there is nothing to send (seek to its start first?)",
				end, start)
		}
		req.ContentLength = end - start
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(seeker, start, end-start)), nil
		}
		req.Body, _ = req.GetBody()
	case sized && l.Len() == 0:
		return errors.New("the archive is empty or was already read")
	default:
		req.Body, req.ContentLength = io.NopCloser(archive), -1
		if sized {
			req.ContentLength = int64(l.Len())
		}
	}
	if req.ContentLength < 0 || req.ContentLength >= expectContinueFrom {
		req.Header.Set("Expect", "100-continue")
	}
	return nil
}

// offsets returns the current offset, which it does not change, and that of the end.
func offsets(s io.Seeker) (current, end int64, err error) {
	if current, err = s.Seek(0, io.SeekCurrent); err != nil {
		return 0, 0, err
	}
	end, err = s.Seek(0, io.SeekEnd)
	_, backErr := s.Seek(current, io.SeekStart)
	return current, end, errors.Join(err, backErr)
}
