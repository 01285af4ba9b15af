// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
)

// A Replicator brings changes that were made here to the other members.
type Replicator interface {
	// Write brings part of an instance's data to as many members as at asks
	// for, and then calls done, once, maybe before it returns. An error says
	// that they could not be reached in time; the change stays here, and may
	// reach them later. It must not block, and must not change part.
	Write(key entity.Key, part *crdt.Data, at exchange.Consistency, done func(error))
}
