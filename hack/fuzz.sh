#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Runs every Fuzz function of the module, one after the other, each for as long
# as FUZZTIME says. What a run finds is written to testdata/fuzz of its package:
# commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

found=0
while read -r dir; do
	pkg="./$dir"
	for name in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		found=$((found + 1))
		echo "== $pkg $name"
		go test -run='^$' -fuzz="^$name\$" -fuzztime="${FUZZTIME:-30s}" "$pkg" </dev/null
	done
done < <(git grep --untracked -lE '^func Fuzz' -- '*_test.go' | xargs -r -n1 dirname | sort -u)
echo "$found fuzz targets ran"
