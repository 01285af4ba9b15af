// SPDX-License-Identifier: Apache-2.0

package live

import (
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// Occupy makes it so that a goroutine is carrying out what concerns the stream
// of an instance that is awake, until carryOn is called; that returns when the
// goroutine has come to an end or has left the rest to another one.
func (s *Set) Occupy(e *route.Entity, id string) (carryOn func()) {
	p := s.part(id)
	p.mu.Lock()
	in := p.instances[entity.Key{Entity: e.Name, ID: id}]
	p.mu.Unlock()
	in.mu.Lock()
	if in.agendas == nil {
		in.agendas = &agendas{}
	}
	in.tasks.busy = true
	in.mu.Unlock()
	return func() {
		in.mu.Lock()
		in.work(&in.tasks)
		in.carryOut()
	}
}
