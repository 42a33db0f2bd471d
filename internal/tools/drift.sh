#!/bin/sh
# Fails, naming the files, when the generated files of the work tree differ from what
# their sources give: the code that openapi.yaml gives, and the man pages and completions
# that the commands give. A file was edited, is missing, is not tracked by git, or is no
# longer generated. The work tree is left as it is.
set -eu
cd "$(git rev-parse --show-toplevel)"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

generated() { # the generated files below this directory
	find . -type f \( -name '*.gen.go' -o -path './cmd/customizers/man/*' -o -path './cmd/customizers/completions/*' \) |
		sed 's|^\./||' | sort
}

# Generate in a copy that begins without any generated file.
cp -R . "$copy/tree"
(cd "$copy/tree" && generated | while read -r f; do rm "$f"; done && go generate ./...)

status=0
complain() {
	echo "drift: $1: $2" >&2
	status=1
}
for f in $(cd "$copy/tree" && generated); do
	if [ ! -f "$f" ]; then
		complain "$f" "is missing"
	elif ! cmp -s "$f" "$copy/tree/$f"; then
		complain "$f" "differs from what is generated"
		diff -u "$f" "$copy/tree/$f" | head -n 20 >&2 || true
	fi
	git ls-files --error-unmatch -- "$f" >/dev/null 2>&1 || complain "$f" "is not tracked by git"
done
for f in $(generated); do
	[ -f "$copy/tree/$f" ] || complain "$f" "is not generated any more"
done
if [ "$status" -ne 0 ]; then
	echo "drift: run 'make generate' and commit what it changes" >&2
fi
exit "$status"
