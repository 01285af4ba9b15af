// SPDX-License-Identifier: Apache-2.0

// Package cases has all cases of the suite, in the order in which they run.
package cases

import (
	"slices"

	"github.com/kairn-dev/kairn/tck/action"
	"github.com/kairn-dev/kairn/tck/caller"
	"github.com/kairn-dev/kairn/tck/crdt"
	"github.com/kairn-dev/kairn/tck/discovery"
	"github.com/kairn-dev/kairn/tck/eventlog"
	"github.com/kairn-dev/kairn/tck/eventsourced"
	"github.com/kairn-dev/kairn/tck/keys"
	"github.com/kairn-dev/kairn/tck/suite"
	"github.com/kairn-dev/kairn/tck/trouble"
	"github.com/kairn-dev/kairn/tck/valueentity"
)

// All returns them.
func All() []suite.Case {
	return slices.Concat(
		discovery.Cases(),
		action.Model(),
		valueentity.Model(),
		eventsourced.Model(),
		crdt.Model(),
		action.Proxy(),
		valueentity.Proxy(),
		eventsourced.Proxy(),
		crdt.Proxy(),
		eventlog.Proxy(),
		eventsourced.Beyond(),
		valueentity.Beyond(),
		action.Beyond(),
		crdt.Beyond(),
		eventlog.Beyond(),
		keys.Cases(),
		caller.Cases(),
		trouble.Cases(),
	)
}
