#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Prints -race if this machine can build with the race detector. Where it can't,
# this prints nothing and says so: on a desk the tests are worth running all the
# same, but in CI that is a failure.
set -euo pipefail

cc=$(go env CC)
if [[ "$(go env GOOS)" == darwin ]] || { [[ "$(go env CGO_ENABLED)" == 1 ]] && command -v "${cc%% *}" >/dev/null; }; then
	echo -race
	exit
fi
{
	echo "**********************************************************************"
	echo "* NO RACE DETECTOR: it needs cgo and a C compiler ($cc), and CGO_ENABLED=$(go env CGO_ENABLED)."
	echo "* Install gcc and the headers of the C library, and don't set CGO_ENABLED=0."
	echo "**********************************************************************"
} >&2
if [[ -n "${CI:-}" ]]; then
	exit 1
fi
