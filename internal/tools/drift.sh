#!/bin/sh
# Fails if a generated file, *.gen.go or docs/command.md, is out of date. Lists each file that is
# changed, missing or no longer generated. Changes no file.
set -eu
cd "$(dirname "$0")/../.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

generated() {
	find . \( -name '*.gen.go' -o -path ./docs/command.md \) "$@"
}
sums() {
	generated -exec cksum {} + | sort -k 3
}
sums >"$copy/found"
mkdir "$copy/tree"
tar -cf - --exclude .git --exclude node_modules . | tar -xf - -C "$copy/tree"
(cd "$copy/tree" && generated -exec rm {} + && make -s generate && sums >"$copy/generated")
diff "$copy/found" "$copy/generated" >&2 || {
	echo "generated files differ: run 'make generate' and commit the result" >&2
	exit 1
}
