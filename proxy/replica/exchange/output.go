// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// Do says what an [Output] asks for.
type Do uint8

// Whoever runs a Machine carries its outputs out in order.
const (
	Open    Do = iota // open a stream; then say Opened or OpenFailed
	Send              // give Message to the function
	Release           // call Call.Done with Outcome
	Put               // call Call.Put with Outcome; say Taken when the client wants more
	End               // call Call.End with Err
	Write             // bring Write to the other members; then say Written
	Tell              // report Err to the function
	Finish            // tell the function that no more comes, and let it end the stream
	Abort             // end the stream now, if there is one
)

// An Output is something to be done, with what that needs.
type Output struct {
	Do      Do
	Call    *Call
	Message Outgoing // a *Command is that of Call
	Outcome entity.Outcome
	Write   *Writing
	Err     error
}

// A Writing is a change on its way to the other members.
type Writing struct {
	Part        *crdt.Data // for [crdt.Data.Merge]
	Consistency Consistency

	call  *Call
	entry *entry
}

func (m *Machine) add(o Output) { m.out = append(m.out, o) }

func (m *Machine) send(msg Outgoing) { m.add(Output{Do: Send, Message: msg}) }

func (m *Machine) tell(err error) { m.add(Output{Do: Tell, Err: err}) }

// Outputs returns what is to be done, valid until [Machine.Forget].
func (m *Machine) Outputs() []Output { return m.out }

// Forget drops the outputs; whoever calls it has them.
func (m *Machine) Forget() {
	clear(m.out)
	m.out = m.out[:0]
}
