package soak

import (
	"net/http"
	"strings"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// check compares a worker's records with the tenant's state and with the requests that the
// tenant received, by tag. No request may be in progress.
func (w *worker) check(state []customizers.Customizer, received map[string][]customizerstest.Request) {
	byID := map[string]customizers.Customizer{}
	byInitialName := map[string][]customizers.Customizer{}
	for _, c := range state {
		initialName, _, _ := strings.Cut(c.Name, " ")
		byID[c.ID] = c
		byInitialName[initialName] = append(byInitialName[initialName], c)
	}
	count := func(c *call) int { return len(received[c.tag]) }
	for _, rec := range w.records {
		w.checkPost(rec.create, rec.createOutcome, received)
		found := byInitialName[rec.initialName]
		c, exists := byID[rec.id]
		switch {
		case len(found) > 1:
			w.errorf("created more than once: %+v: %v", found, rec.create)
		case rec.createOutcome == failure && len(found) > 0:
			w.errorf("exists, though its create failed: %+v: %v", found, rec.create)
		case rec.id == "" && len(found) > 0: // the create's outcome was unknown, and no list followed
			c, exists = found[0], true
			rec.id = c.ID
		case len(found) > 0 && !exists:
			w.errorf("created twice, and one of them deleted: %+v is not %s: %v", found, rec.id, rec.create)
		}
		if rec.createOutcome == unknown {
			w.report.add(applied(rec.id != ""))
		}
		if !exists {
			deleteReceived := false
			for _, d := range rec.deletes {
				deleteReceived = deleteReceived || count(d) > 0
			}
			if rec.id != "" && !deleteReceived {
				w.errorf("missing, though the tenant received no delete: %v", rec)
			}
			continue
		}
		if rec.deleted {
			w.errorf("exists, though reported as deleted: %+v: %v", c, rec)
		}
		if !rec.mayHaveName(c.Name, count) {
			w.errorf("unexpected name %q: %v", c.Name, rec)
		} else if c.Name != rec.name {
			w.report.add("update that took effect late")
		}
		w.checkVersions(rec, c)
	}
	for _, rec := range w.records {
		for _, u := range rec.uploads {
			w.checkPost(u.call, u.outcome, received)
		}
	}
}

// checkPost checks that a POST was retried only after a response that says that the tenant did
// not act. It also checks the outcome that the SDK reported.
func (w *worker) checkPost(c *call, reported outcome, received map[string][]customizerstest.Request) {
	var succeeded, uncertain []int // statuses
	for _, req := range received[c.tag] {
		switch {
		case req.Status/100 == 2:
			succeeded = append(succeeded, req.Status)
		case req.Status == http.StatusUnauthorized || req.Status == http.StatusTooManyRequests:
		case req.Status == http.StatusNotFound && reported == failure:
		default:
			uncertain = append(uncertain, req.Status)
		}
	}
	switch {
	case len(succeeded)+len(uncertain) > 1:
		w.errorf("retried, though an earlier attempt may have taken effect: %v %v: %v", succeeded, uncertain, c)
	case reported == success && len(succeeded) != 1:
		w.errorf("reported as a success, but the tenant responded %v %v: %v", succeeded, uncertain, c)
	case reported == unknown && c.neverSent():
		w.errorf("reported as unknown, but never sent: %v", c)
	case reported == failure && len(succeeded)+len(uncertain) > 0:
		w.errorf("reported as a failure, but the tenant responded %v %v: %v", succeeded, uncertain, c)
	}
}

// checkVersions checks the versions of a customizer. The tenant has each reported version once,
// each version of an unknown outcome at most once, and no other.
func (w *worker) checkVersions(rec *record, c customizers.Customizer) {
	byImage := map[string]customizerstest.Version{}
	bySHA := map[string]int{}
	versions := w.srv.Versions(c.ID)
	for i, v := range versions {
		byImage[v.ImageID] = v
		bySHA[v.ArchiveSHA256]++
		if v.Version.Version != int64(i+1) {
			w.errorf("version %d of %s has the number %d", i+1, c.ID, v.Version.Version)
		}
	}
	if int64(len(versions)) != c.ImageVersion || len(byImage) != len(versions) {
		w.errorf("%d versions with %d images: %+v", len(versions), len(byImage), c)
	}
	least, most := map[string]int{}, map[string]int{} // number of versions, by SHA-256
	for _, u := range rec.uploads {
		switch u.outcome {
		case success:
			least[u.sha]++
			most[u.sha]++
			v, ok := byImage[u.got.ImageID]
			if !ok || v.Version.Version != u.got.Version || v.ArchiveSHA256 != u.sha {
				w.errorf("reported the version %+v, but the tenant has %+v: %v", *u.got, v, u.call)
			}
		case unknown:
			most[u.sha]++
			w.report.add(applied(bySHA[u.sha] > 0))
		}
		if _, ok := least[u.sha]; !ok {
			least[u.sha] = 0
		}
	}
	for sha, n := range bySHA {
		if _, ok := least[sha]; !ok {
			w.errorf("%d versions of an archive that was never sent: %+v", n, c)
		}
	}
	for sha := range least {
		if n := bySHA[sha]; n < least[sha] || n > most[sha] {
			w.errorf("%d versions (want %d to %d) of the archive %q of %s: %v", n, least[sha], most[sha], sha, c.ID, rec.uploads)
		}
	}
}

func applied(ok bool) string {
	if ok {
		return "unknown and applied"
	}
	return "unknown and not applied"
}
