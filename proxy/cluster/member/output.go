// SPDX-License-Identifier: Apache-2.0

package member

import (
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Do says what an [Output] asks for.
type Do uint8

// Whoever runs a Machine carries its outputs out in order.
const (
	Renew    Do = iota // renew the lease of Member; then say Renewed
	Look               // look at the row and at the lease of Neighbour; then say Seen
	Transact           // make the transition Op; then say Transacted
	Ask                // ask the member To whether it can take shards; if so, say Ready
	Begin              // the process is Member now, whose lanes stand at 0
	Open               // take commands for Shard, whose outbox is to be looked at if Dirty
	Drain              // take no more commands for Shard; once nothing of it is under way, say Drained with Turn
	Sever              // end what is under way in Shard, whatever its outcome; it has taken too long to drain
	Resume             // take commands for Shard again
	Close              // commands for Shard are for another member
	Drop               // everything that was done as Member is void
	Left               // the process is not a member and will not become one
)

func (do Do) String() string {
	return [...]string{"renew", "look", "transact", "ask", "begin", "open", "drain", "sever", "resume", "close", "drop", "left"}[do]
}

// An Output is something to be done.
type Output struct {
	Do     Do
	Member entity.Member // as whom
	Sent   time.Duration // of Renew and Look: to be said again with the answer
	Op     *Op           // of Transact
	To     entity.Member // of Ask; of Look: whose lease to look at, 0 if there is no other member
	Shard  shard.ID
	Epoch  int64
	Turn   int64 // of Drain: no other one has it
	Dirty  bool
}

func (m *Machine) add(o Output) {
	o.Member = m.id
	m.outputs = append(m.outputs, o)
}

// Outputs returns what is to be done, valid until [Machine.Forget].
func (m *Machine) Outputs() []Output { return m.outputs }

// Forget drops the outputs; whoever calls it has them.
func (m *Machine) Forget() {
	clear(m.outputs)
	m.outputs = m.outputs[:0]
}
