// SPDX-License-Identifier: Apache-2.0

package live

import (
	"strconv"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Occupy makes it so that a goroutine is carrying out what concerns the stream
// of an instance that is awake, until carryOn is called; that returns when the
// goroutine has come to an end or has left the rest to another one.
func (s *Set) Occupy(e *route.Entity, id string) (carryOn func()) {
	key := entity.Key{Entity: e.Name, ID: id}
	p := s.part(shard.Of(key))
	p.mu.Lock()
	in := p.instances[key]
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

// IDsOfOnePart returns n ids of an entity whose instances share a lock and an alarm.
func IDsOfOnePart(s *Set, e *route.Entity, n int) []string {
	var ids []string
	for i := 0; len(ids) < n; i++ {
		if id := strconv.Itoa(i); s.part(shard.Of(entity.Key{Entity: e.Name, ID: id})) == &s.parts[0] {
			ids = append(ids, id)
		}
	}
	return ids
}

// Watched returns how many times alarms are set.
func Watched(s *Set) int {
	n := 0
	for i := range s.parts {
		n += len(s.parts[i].alarm.calls)
	}
	return n
}
