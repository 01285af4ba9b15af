// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// Asleep returns the data of an instance that is not awake.
func (s *Set) Asleep(key entity.Key) *crdt.Data { return s.part(key.ID).asleep[key] }
