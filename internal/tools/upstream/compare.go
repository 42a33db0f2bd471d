package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3conv"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

// A class says what a change means to clients.
type class string

const (
	breaking class = "breaking"
	added    class = "added"
	changed  class = "changed"
)

type change struct {
	Class         class
	Operation, ID string
	Text          string
}

type changes []change

func (cs changes) of(wanted class) changes {
	return slices.DeleteFunc(slices.Clone(cs), func(c change) bool { return c.Class != wanted })
}

// severities are oasdiff's, but for this one: no property is required in this contract, so
// to a client an optional property that goes is one that it reads.
var severities = map[string]checker.Level{checker.ResponseOptionalPropertyRemovedId: checker.WARN}

// compare tells what moved from one cut to another.
func compare(base, revision []byte) (changes, error) {
	from, err := loaded("base", base)
	if err != nil {
		return nil, err
	}
	to, err := loaded("revision", revision)
	if err != nil {
		return nil, err
	}
	differences, sources, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), from, to)
	if err != nil {
		return nil, err
	}
	config := checker.NewConfig(checker.GetAllChecks(), checker.WithSeverityLevels(severities))
	var cs changes
	told := map[string]bool{}
	for _, c := range checker.CheckBackwardCompatibilityUntilLevel(config, differences, sources, checker.INFO) {
		if c.GetId() == checker.APISchemasRemovedId {
			continue // what schemas are called, or whether they are, is not on the wire
		}
		operation := strings.TrimSpace(c.GetOperation() + " " + c.GetPath())
		told[operation] = true
		cs = append(cs, change{
			Class:     classOf(c),
			Operation: operation,
			ID:        c.GetId(),
			Text:      c.GetUncolorizedText(checker.NewDefaultLocalizer()),
		})
	}
	for _, operation := range modified(differences) {
		if !told[operation] {
			cs = append(cs, change{changed, operation, "no-rule", "something changed that oasdiff has no rule for"})
		}
	}
	return cs, nil
}

// modified names the operations that differ in anything.
func modified(differences *diff.Diff) []string {
	var names []string
	if differences == nil || differences.PathsDiff == nil {
		return nil
	}
	for path, of := range differences.PathsDiff.Modified {
		if of.OperationsDiff == nil {
			continue
		}
		for method := range of.OperationsDiff.Modified {
			names = append(names, method+" "+path)
		}
	}
	slices.Sort(names)
	return names
}

// loaded reads a cut so that ways of writing make no difference: allOf or one schema,
// parameters of a path or of its operations, OpenAPI 3.0 or 3.1.
func loaded(name string, cut []byte) (*load.SpecInfo, error) {
	info, err := load.NewSpecInfoFromData(openapi3.NewLoader(), cut, name, load.WithFlattenAllOf(), load.WithFlattenParams())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	openapi3conv.Upgrade(info.Spec)
	return info, nil
}

func classOf(c checker.Change) class {
	if c.GetLevel() >= checker.WARN {
		return breaking
	}
	adds := func(r checker.BackwardCompatibilityRule) bool {
		return r.Id == c.GetId() && r.Kind == checker.KindExistence && !slices.ContainsFunc(r.Locations, func(location string) bool {
			return !strings.HasSuffix(location, ":add") && !strings.HasSuffix(location, ":set")
		})
	}
	if slices.ContainsFunc(checker.GetAllRules(), adds) {
		return added
	}
	return changed
}

// report prints what moved upstream, and what of it the contract here does not say.
func report(w io.Writer, moved, lags changes) {
	for _, class := range []class{breaking, changed, added} {
		list(w, string(class), moved.of(class))
	}
	list(w, "published, and not in "+contract, lags)
}

// list prints each change once, with the operations that it is in.
func list(w io.Writer, title string, cs changes) {
	operations := map[string][]string{}
	for _, c := range cs {
		text := fmt.Sprintf("%s [%s]", c.Text, c.ID)
		operations[text] = append(operations[text], c.Operation)
	}
	if len(operations) > 0 {
		_, _ = fmt.Fprintf(w, "%s: %d\n", title, len(operations))
	}
	for _, text := range slices.Sorted(maps.Keys(operations)) {
		_, _ = fmt.Fprintf(w, "  %s\n", text)
		for _, operation := range operations[text] {
			if operation != "" {
				_, _ = fmt.Fprintf(w, "    %s\n", operation)
			}
		}
	}
}
