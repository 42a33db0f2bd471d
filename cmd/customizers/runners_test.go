package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pipeline runs as its service would run it.
type pipeline interface {
	// run runs what an event gives, and returns the exit codes of the jobs that deploy or
	// would, by name; of a job that is tried again, that of the last try.
	run(event string) map[string]int
	// forget loses the caches.
	forget()
}

// The events.
const (
	mergeRequest = "a merge request"
	merge        = "a merge"
	branchPush   = "a push to another branch"
	fork         = "a merge request of a fork"
)

// files are some of a folder: contents by name.
type files map[string][]byte

// filesOf reads the files that a pattern matches, those of a folder when it matches one.
func filesOf(t require.TestingT, dir, pattern string) files {
	out := files{}
	matches, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	for _, match := range matches {
		require.NoError(t, filepath.WalkDir(match, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(dir, path)
			if err == nil {
				out[name], err = os.ReadFile(path)
			}
			return err
		}))
	}
	return out
}

func (f files) putInto(t require.TestingT, dir string) {
	for name, data := range f {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
}

// known fails on a key that the runners do not carry out.
func known(t assert.TestingT, where string, m map[string]any, keys ...string) {
	for key := range m {
		assert.Contains(t, keys, key, where)
	}
}

func stringsOf(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, s := range v {
			out = append(out, s.(string))
		}
	}
	return out
}

// A gitlab runs a .gitlab-ci.yml.
type gitlab struct {
	p       *project
	config  map[string]any
	command []string         // the shell
	caches  map[string]files // by key; those of protected branches
}

func newGitlab(p *project, config map[string]any, shell ...string) *gitlab {
	return &gitlab{p: p, config: config, command: shell, caches: map[string]files{}}
}

func (g *gitlab) forget() { clear(g.caches) }

// jobs are those of the file, with what they extend.
func (g *gitlab) jobs() map[string]map[string]any {
	jobs := map[string]map[string]any{}
	for name := range g.config {
		if !strings.HasPrefix(name, ".") && name != "workflow" && name != "variables" {
			jobs[name] = g.resolve(name)
			known(g.p.t, name, jobs[name], "stage", "image", "before_script", "script", "artifacts", "rules", "environment",
				"resource_group", "cache", "retry")
		}
	}
	return jobs
}

func (g *gitlab) resolve(name string) map[string]any {
	job, ok := g.config[name].(map[string]any)
	require.True(g.p.t, ok, "there is no %s", name)
	out := maps.Clone(job)
	if parent, ok := out["extends"].(string); ok {
		delete(out, "extends")
		out = merged(g.resolve(parent), out)
	}
	return out
}

// merged lays one mapping over another, as extends does.
func merged(below, above map[string]any) map[string]any {
	out := maps.Clone(below)
	for key, value := range above {
		a, ok := value.(map[string]any)
		b, both := out[key].(map[string]any)
		if ok && both {
			value = merged(b, a)
		}
		out[key] = value
	}
	return out
}

func scriptOf(t require.TestingT, job map[string]any) string {
	lines := append(stringsOf(job["before_script"]), stringsOf(job["script"])...)
	require.NotEmpty(t, lines)
	return strings.Join(lines, "\n") + "\n"
}

var rule = regexp.MustCompile(`^\$(\w+) == (?:"(\w+)"|\$(\w+))$`)

// included tells whether one of the rules holds.
func (g *gitlab) included(rules any, variables map[string]string) bool {
	if rules == nil {
		return true
	}
	for _, r := range rules.([]any) {
		known(g.p.t, "a rule", r.(map[string]any), "if")
		m := rule.FindStringSubmatch(r.(map[string]any)["if"].(string))
		require.NotNil(g.p.t, m, r)
		want := m[2]
		if m[3] != "" {
			want = variables[m[3]]
		}
		if variables[m[1]] == want {
			return true
		}
	}
	return false
}

func (g *gitlab) run(event string) map[string]int {
	t, codes := g.p.t, map[string]int{}
	variables := map[string]string{"CI_DEFAULT_BRANCH": "main", "CI_PIPELINE_SOURCE": "push"}
	switch event {
	case mergeRequest:
		variables["CI_PIPELINE_SOURCE"] = "merge_request_event"
	case merge:
		variables["CI_COMMIT_BRANCH"] = "main"
	case branchPush:
		variables["CI_COMMIT_BRANCH"] = "feature"
	}
	if !g.included(g.config["workflow"].(map[string]any)["rules"], variables) {
		return codes
	}
	for name, value := range g.config["variables"].(map[string]any) {
		variables[name] = value.(string)
	}
	variables["CUSTOMIZERS_RELEASES"] = g.p.releases
	jobs := g.jobs()
	artifacts := files{}
	for _, stage := range []string{"build", "test", "deploy"} {
		for _, name := range slices.Sorted(maps.Keys(jobs)) {
			if jobs[name]["stage"] != stage || !g.included(jobs[name]["rules"], variables) {
				continue
			}
			code, made := g.job(jobs[name], variables, artifacts)
			if jobs[name]["environment"] != nil {
				codes[name] = code
			} else {
				require.Zero(t, code, "%s: %s", name, &g.p.output)
			}
			if code != 0 {
				return codes
			}
			maps.Copy(artifacts, made)
		}
	}
	return codes
}

// job runs a job, again when its retry says so, and returns its artifacts.
func (g *gitlab) job(job map[string]any, variables map[string]string, artifacts files) (code int, made files) {
	t, tries := g.p.t, 1
	made = files{}
	var again []any
	if retry, ok := job["retry"].(map[string]any); ok {
		known(t, "retry", retry, "max", "exit_codes")
		tries, again = 1+retry["max"].(int), retry["exit_codes"].([]any)
	}
	env := maps.Clone(variables)
	if environment, ok := job["environment"].(map[string]any); ok {
		known(t, "environment", environment, "name", "action")
		env["CI_ENVIRONMENT_NAME"] = environment["name"].(string)
		maps.Copy(env, g.p.credentials(environment["name"].(string)))
	}
	for range tries {
		dir := t.TempDir()
		g.p.checkout(dir)
		artifacts.putInto(t, dir)
		cache, cached := job["cache"].(map[string]any)
		var key string
		if cached {
			known(t, "cache", cache, "key", "paths", "when")
			require.Equal(t, "always", cache["when"])
			key = os.Expand(cache["key"].(string), func(name string) string { return env[name] })
			g.caches[key].putInto(t, dir)
		}
		code = g.p.shell(dir, env, scriptOf(t, job), g.command...)
		if cached {
			g.caches[key] = filesOf(t, dir, cache["paths"].([]any)[0].(string))
		}
		if code == 0 {
			known(t, "artifacts", job["artifacts"].(map[string]any), "paths")
			for _, path := range stringsOf(job["artifacts"].(map[string]any)["paths"]) {
				found := filesOf(t, dir, path)
				require.NotEmpty(t, found, path)
				maps.Copy(made, found)
			}
			if job["environment"] != nil {
				g.p.keepResult(dir)
			}
			return code, made
		}
		if !slices.Contains(again, any(code)) {
			return code, nil
		}
	}
	return code, nil
}

// A github runs a workflow.
type github struct {
	p        *project
	workflow map[string]any
	caches   map[string]files // by key
	newest   []string         // the keys, the oldest first
	runs     int
}

func newGithub(p *project, workflow map[string]any) *github {
	return &github{p: p, workflow: workflow, caches: map[string]files{}}
}

func (g *github) forget() { g.caches, g.newest = map[string]files{}, nil }

// The conditions of jobs, and when they hold.
var conditions = map[string][]string{
	"":                            {mergeRequest, merge, fork},
	"github.event_name == 'push'": {merge},
	"github.event.pull_request.head.repo.full_name == github.repository && github.actor != 'dependabot[bot]'": {mergeRequest},
}

func (g *github) run(event string) map[string]int {
	t, codes := g.p.t, map[string]int{}
	known(t, "the workflow", g.workflow, "name", "on", "permissions", "env", "defaults", "jobs")
	require.Equal(t, map[string]any{"pull_request": nil, "push": map[string]any{"branches": []any{"main"}}}, g.workflow["on"])
	require.Equal(t, map[string]any{"run": map[string]any{"shell": "bash"}}, g.workflow["defaults"])
	if event == branchPush {
		return codes
	}
	g.runs++
	artifacts := map[string]files{}
	jobs := g.workflow["jobs"].(map[string]any)
	for _, name := range []string{"build", "dry-run", "deploy"} {
		job, ok := jobs[name].(map[string]any)
		require.True(t, ok, "there is no %s", name)
		known(t, name, job, "needs", "if", "runs-on", "environment", "concurrency", "steps")
		condition, _ := job["if"].(string)
		require.Contains(t, conditions, condition)
		if name != "build" {
			require.Equal(t, "build", job["needs"])
		}
		if !slices.Contains(conditions[condition], event) {
			continue
		}
		code := g.job(name, job, artifacts)
		if name == "build" {
			require.Zero(t, code, &g.p.output)
			continue
		}
		codes[name] = code
	}
	require.Len(t, jobs, 3)
	return codes
}

func (g *github) job(name string, job map[string]any, artifacts map[string]files) int {
	t := g.p.t
	dir := t.TempDir()
	summary := filepath.Join(t.TempDir(), "summary")
	secrets := g.p.credentials("preview") // those of the repository
	if environment, ok := job["environment"].(string); ok {
		secrets = g.p.credentials(environment)
	}
	expand := func(text string) string {
		return regexp.MustCompile(`\$\{\{ (\S+) \}\}`).ReplaceAllStringFunc(text, func(expression string) string {
			expression = strings.Trim(expression, "${} ")
			kind, key, _ := strings.Cut(expression, ".")
			switch {
			case expression == "github.run_id":
				return fmt.Sprint(g.runs)
			case kind == "secrets" && key != "SAIL_BASE_URL", kind == "vars" && key == "SAIL_BASE_URL":
				require.Contains(t, secrets, key)
				return secrets[key]
			}
			require.Fail(t, "an unknown expression", expression)
			return ""
		})
	}
	var save []func()
	for _, step := range job["steps"].([]any) {
		step := step.(map[string]any)
		known(t, name, step, "name", "uses", "with", "run", "env")
		if script, ok := step["run"].(string); ok {
			env := map[string]string{"GITHUB_STEP_SUMMARY": summary}
			for name, value := range g.workflow["env"].(map[string]any) {
				env[name] = value.(string)
			}
			env["CUSTOMIZERS_RELEASES"] = g.p.releases
			if own, ok := step["env"].(map[string]any); ok {
				for name, value := range own {
					env[name] = expand(value.(string))
				}
			}
			if code := g.p.shell(dir, env, script, "bash", "--noprofile", "--norc", "-euo", "pipefail"); code != 0 {
				return code
			}
			continue
		}
		with, _ := step["with"].(map[string]any)
		path, _ := with["path"].(string)
		switch action, version, _ := strings.Cut(step["uses"].(string), "@"); action {
		case "actions/checkout":
			g.p.checkout(dir)
		case "actions/setup-node":
		case "actions/upload-artifact":
			found := filesOf(t, dir, path)
			require.NotEmpty(t, found)
			artifacts[with["name"].(string)] = found
		case "actions/download-artifact":
			// Their common folder is not kept in an artifact.
			for name, data := range artifacts[with["name"].(string)] {
				files{filepath.Join(path, filepath.Base(name)): data}.putInto(t, dir)
			}
		case "actions/cache", "actions/cache/restore":
			key := expand(with["key"].(string))
			g.restore(dir, key, with["restore-keys"].(string))
			if _, there := g.caches[key]; action == "actions/cache" && !there {
				save = append(save, func() { g.caches[key], g.newest = filesOf(t, dir, path), append(g.newest, key) })
			}
		default:
			require.Fail(t, "an unknown action", "%s of version %s", action, version)
		}
	}
	for _, f := range save {
		f()
	}
	if name != "build" {
		g.p.keepResult(dir)
		shown, err := os.ReadFile(summary)
		require.NoError(t, err)
		assert.Contains(t, string(shown), `    "uploaded": `, "the summary shows the result as it is")
	}
	return 0
}

// restore takes the cache with the key, or else the newest whose key begins so.
func (g *github) restore(dir, key, prefix string) {
	if f, ok := g.caches[key]; ok {
		f.putInto(g.p.t, dir)
		return
	}
	for _, k := range slices.Backward(g.newest) {
		if strings.HasPrefix(k, prefix) {
			g.caches[k].putInto(g.p.t, dir)
			return
		}
	}
}
