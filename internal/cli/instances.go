package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

func (a *app) instancesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "instances",
		Short: "List connector instances, and the customizer of each",
		Long: "List all connector instances, each with its linked customizer. A table also has the newest\n" +
			"version of that customizer. SailPoint publishes no schema for this endpoint, which its own\n" +
			"CLI uses too, and may change it without notice.",
		Example: "  # List the instances without a customizer\n  customizers instances -o json | jq -r '.[] | select(.connectorCustomizerId == null).name'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			all, err := instances.List(cmd.Context(), client)
			if err != nil {
				return err
			}
			var known []customizers.Customizer
			linked := slices.ContainsFunc(all, func(i instances.Instance) bool { return i.CustomizerID != "" })
			if linked && a.output.format == formatTable { // only a table has the customizers' names
				if known, err = listAll(cmd.Context(), client); err != nil {
					return err
				}
			}
			p := newPrinter(a, instanceView(known), true)
			for _, i := range all {
				p.print(i)
			}
			if len(all) == 0 && a.output.format == formatTable {
				a.console.note("No connector instances.")
			}
			return p.end()
		},
	}
	a.addTableFlags(cmd)
	return cmd
}

func (a *app) linkCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "link <customizer> <instance>...",
		Short: "Link a customizer to connector instances",
		Long: "Link a customizer to connector instances, each given by its ID or name, and print the updated\n" +
			"instances. A customizer runs only in the instances that it is linked to, and an instance\n" +
			"has at most one, so a new link replaces an existing one. If an argument matches nothing,\n" +
			"nothing is changed.",
		Example:           "  # Link a customizer to two instances\n  customizers link hr-feed 'HR production' 'HR test'",
		Args:              arguments("<customizer>", "<instance>..."),
		ValidArgsFunction: a.complete(1, a.completeInstances(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.relink(cmd.Context(), args[:1], args[1:], dryRun)
		},
	}
	a.addChangeFlags(cmd, &dryRun)
	return cmd
}

func (a *app) unlinkCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "unlink <instance>...",
		Short: "Unlink connector instances from their customizers",
		Long: "Unlink connector instances, each given by its ID or name, from their customizers, and print\n" +
			"the updated instances. The customizers themselves stay as they are. If an argument matches\n" +
			"nothing, nothing is changed.",
		Example:           "  # Stop the customizer of an instance\n  customizers unlink 'HR test'",
		Args:              arguments("<instance>..."),
		ValidArgsFunction: a.completeInstances(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.relink(cmd.Context(), nil, args, dryRun)
		},
	}
	a.addChangeFlags(cmd, &dryRun)
	return cmd
}

// relink links instances to a customizer, or unlinks them if customizer is empty.
func (a *app) relink(ctx context.Context, customizer, names []string, dryRun bool) error {
	client, err := a.client(ctx)
	if err != nil {
		return err
	}
	known, err := listAll(ctx, client)
	if err != nil {
		return err
	}
	to, err := pick(known, customizer, customizerKind)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	all, err := instances.List(ctx, client)
	if err != nil {
		return err
	}
	picked, err := pick(all, names, instanceKind)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	r := &relinker{app: a, client: client, label: labels(known), dryRun: dryRun}
	if len(to) > 0 {
		r.to = to[0].ID
	}
	printerOf := newPrinter[instances.Instance]
	if dryRun {
		printerOf = newProgramPrinter[instances.Instance]
	}
	p := printerOf(a, instanceView(known), true)
	for n, i := range picked {
		if err = r.change(ctx, &i); err != nil {
			if len(picked) > 1 {
				err = fmt.Errorf("stopped at %s (%s) after %d of %d: %w", i.Name, i.ID, n, len(picked), err)
			}
			break
		}
		p.print(i)
	}
	end := p.end()
	if len(r.changed) > 0 {
		end = outputError(end, "changed "+strings.Join(r.changed, ", "))
	}
	return errors.Join(err, end)
}

// A relinker changes the customizer of instances.
type relinker struct {
	app    *app
	client *customizers.Client
	to     string // ID of the customizer; empty to unlink
	label  func(customizerID string) string
	dryRun bool

	changed []string // IDs
}

// change changes an instance. It sends no request if nothing would change.
func (r *relinker) change(ctx context.Context, i *instances.Instance) error {
	name := fmt.Sprintf("%s (%s)", i.Name, i.ID)
	verb, done, change, replaced := "link", "Linked", name+" to "+r.label(r.to), ""
	switch {
	case i.CustomizerID == r.to && r.to == "":
		r.app.console.note("%s is not linked to a customizer.", name)
		return nil
	case i.CustomizerID == r.to:
		r.app.console.note("%s is already linked to %s.", name, r.label(r.to))
		return nil
	case r.to == "":
		verb, done, change = "unlink", "Unlinked", name+" from "+r.label(i.CustomizerID)
	case i.CustomizerID != "":
		replaced = ", replacing " + r.label(i.CustomizerID)
	}
	if r.dryRun {
		r.app.console.note("Would %s %s in %s%s.", verb, change, r.app.tenant, replaced)
		i.CustomizerID = r.to
		return nil
	}
	var changed *instances.Instance
	var err error
	if r.to == "" {
		changed, err = instances.Unlink(ctx, r.client, i.ID)
	} else {
		changed, err = instances.Link(ctx, r.client, r.to, i.ID)
	}
	if errors.Is(err, customizers.ErrOutcomeUnknown) {
		err = &exitError{err: err, advice: "run 'customizers instances' to see what was done"}
	}
	if err != nil {
		return err
	}
	*i = *changed
	r.changed = append(r.changed, i.ID)
	r.app.console.note("%s %s%s.", done, change, replaced)
	return nil
}

// labels returns a function that returns the name of a customizer, or its ID if the name is
// unknown or not unique.
func labels(all []customizers.Customizer) func(customizerID string) string {
	names, count := map[string]string{}, map[string]int{}
	for _, c := range all {
		names[c.ID] = c.Name
		count[c.Name]++
	}
	return func(id string) string {
		if name := names[id]; count[name] == 1 {
			return cmp.Or(name, id)
		}
		return id
	}
}

var instanceKind = kind[instances.Instance]{
	noun: "connector instance",
	id:   func(i instances.Instance) string { return i.ID },
	name: func(i instances.Instance) string { return i.Name },
}

func instanceView(known []customizers.Customizer) view[instances.Instance] {
	label, versions := labels(known), map[string]int64{}
	for _, c := range known {
		versions[c.ID] = c.ImageVersion
	}
	return view[instances.Instance]{
		id: instanceKind.id,
		columns: []column[instances.Instance]{
			{head: "ID", cell: instanceKind.id},
			{head: "NAME", cell: instanceKind.name, fit: cut},
			{head: "CUSTOMIZER", cell: func(i instances.Instance) string { return cmp.Or(label(i.CustomizerID), "-") }},
			{head: "VERSION", cell: func(i instances.Instance) string { return versionText(versions[i.CustomizerID]) }},
		},
	}
}
