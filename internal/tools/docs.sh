#!/bin/sh
# Writes the man pages and shell completions of a release to build/. Needs help2man.
set -eu
cd "$(dirname "$0")/../.."
rm -rf build
mkdir -p build/man build/completions
go build -o build/ ./cmd/customizers
PATH=$PWD/build:$PATH

customizers completion bash >build/completions/customizers.bash
customizers completion fish >build/completions/customizers.fish
customizers completion powershell >build/completions/customizers.ps1
customizers completion zsh >build/completions/_customizers

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
page() { # name, summary, command
	help2man --no-info --version-string=customizers --name="$2" --output="build/man/$1.1" "$3"
}
page customizers "connector customizers of SailPoint Identity Security Cloud" customizers
customizers __complete '' 2>/dev/null | grep -v '^:' | while IFS="$(printf '\t')" read -r command summary; do
	page "customizers-$command" "$summary" "customizers $command"
done
