#!/bin/sh
# Fails, naming the files, when the generated code of the work tree differs from what
# the contract gives: a file that was edited, is missing, is not tracked by git, or is
# no longer generated. The work tree is left as it is.
set -eu
cd "$(git rev-parse --show-toplevel)"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# Generate in a copy that begins without any generated file.
cp -R . "$copy/tree"
find "$copy/tree" -name '*.gen.go' -delete
(cd "$copy/tree" && go generate ./...)

status=0
complain() {
	echo "drift: $1: $2" >&2
	status=1
}
for f in $(cd "$copy/tree" && find . -name '*.gen.go' | sed 's|^\./||' | sort); do
	if [ ! -f "$f" ]; then
		complain "$f" "is missing"
	elif ! cmp -s "$f" "$copy/tree/$f"; then
		complain "$f" "differs from what openapi.yaml gives"
		diff -u "$f" "$copy/tree/$f" | head -n 20 >&2 || true
	fi
	git ls-files --error-unmatch -- "$f" >/dev/null 2>&1 || complain "$f" "is not tracked by git"
done
for f in $(find . -name '*.gen.go' | sed 's|^\./||' | sort); do
	[ -f "$copy/tree/$f" ] || complain "$f" "is not generated from openapi.yaml any more"
done
if [ "$status" -ne 0 ]; then
	echo "drift: run 'make generate' and commit what it changes" >&2
fi
exit "$status"
