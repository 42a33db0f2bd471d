package soak

import (
	"net/http"
	"strings"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// check compares what a worker was told with what the tenant has and with the requests
// that came to it. Nothing is under way any more.
func (w *worker) check(state []customizers.Customizer, arrived map[string][]customizerstest.Request) {
	byID := map[string]customizers.Customizer{}
	byBirth := map[string][]customizers.Customizer{}
	for _, c := range state {
		born, _, _ := strings.Cut(c.Name, " ")
		byID[c.ID] = c
		byBirth[born] = append(byBirth[born], c)
	}
	came := func(c *call) int { return len(arrived[c.tag]) }
	for _, t := range w.things {
		w.checkPost(t.create, t.created, arrived)
		is := byBirth[t.born]
		c, there := byID[t.id]
		switch {
		case len(is) > 1:
			w.bad("created more than once: %+v: %v", is, t.create)
		case t.created == failure && len(is) > 0:
			w.bad("there, though its create failed: %+v: %v", is, t.create)
		case t.id == "" && len(is) > 0: // the create's outcome was unknown, and nobody looked since
			c, there = is[0], true
			t.id = c.ID
		case len(is) > 0 && !there:
			w.bad("created twice, one of them deleted: %+v is not %s: %v", is, t.id, t.create)
		}
		if t.created == unknown {
			w.report.unknown(t.id != "")
		}
		if !there {
			deleted := false
			for _, d := range t.deletes {
				deleted = deleted || came(d) > 0
			}
			if t.id != "" && !deleted {
				w.bad("not there, and no delete came: %v", t)
			}
			continue
		}
		if t.gone {
			w.bad("there, though reported as deleted: %+v: %v", c, t)
		}
		if !t.mayBeNamed(c.Name, came) {
			w.bad("named %q: %v", c.Name, t)
		} else if c.Name != t.name {
			w.report.late()
		}
		w.checkVersions(t, c)
	}
	for _, t := range w.things {
		for _, u := range t.uploads {
			w.checkPost(u.call, u.told, arrived)
		}
	}
}

// checkPost checks that a create was sent again only when the tenant said that it did
// not act, and that its outcome was told right.
func (w *worker) checkPost(c *call, was told, arrived map[string][]customizerstest.Request) {
	var done, open []int
	for _, req := range arrived[c.tag] {
		switch {
		case req.Status/100 == 2:
			done = append(done, req.Status)
		case req.Status == http.StatusUnauthorized || req.Status == http.StatusTooManyRequests:
		case req.Status == http.StatusNotFound && was == failure:
		default:
			open = append(open, req.Status)
		}
	}
	switch {
	case len(done)+len(open) > 1:
		w.bad("sent again, though an earlier try may have been carried out: %v %v: %v", done, open, c)
	case was == success && len(done) != 1:
		w.bad("told a success, and the tenant noted %v %v: %v", done, open, c)
	case was == failure && len(done)+len(open) > 0:
		w.bad("told a failure, and the tenant noted %v %v: %v", done, open, c)
	}
}

// checkVersions checks the versions of a customizer: each that was reported is kept
// once, each of an unknown outcome at most once, and no other.
func (w *worker) checkVersions(t *thing, c customizers.Customizer) {
	byImage := map[string]customizerstest.Version{}
	bySHA := map[string]int{}
	kept := w.srv.Versions(c.ID)
	for i, v := range kept {
		byImage[v.ImageID] = v
		bySHA[v.ArchiveSHA256]++
		if v.Version.Version != int64(i+1) {
			w.bad("version %d of %s has the number %d", i+1, c.ID, v.Version.Version)
		}
	}
	if int64(len(kept)) != c.ImageVersion || len(byImage) != len(kept) {
		w.bad("%d versions of %d images are kept: %+v", len(kept), len(byImage), c)
	}
	least, most := map[string]int{}, map[string]int{} // how many may be kept, by SHA-256
	for _, u := range t.uploads {
		switch u.told {
		case success:
			least[u.sha]++
			most[u.sha]++
			v, ok := byImage[u.got.ImageID]
			if !ok || v.Version.Version != u.got.Version || v.ArchiveSHA256 != u.sha {
				w.bad("told of the version %+v, which is kept as %+v: %v", *u.got, v, u.call)
			}
		case unknown:
			most[u.sha]++
			w.report.unknown(bySHA[u.sha] > 0)
		}
		if _, ok := least[u.sha]; !ok {
			least[u.sha] = 0
		}
	}
	for sha, n := range bySHA {
		if _, ok := least[sha]; !ok {
			w.bad("%d versions of an archive that was never sent are kept: %+v", n, c)
		}
	}
	for sha := range least {
		if n := bySHA[sha]; n < least[sha] || n > most[sha] {
			w.bad("%d versions are kept, and not %d to %d, of the archive %q of %s: %v", n, least[sha], most[sha], sha, c.ID, t.uploads)
		}
	}
}
