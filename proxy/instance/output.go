// SPDX-License-Identifier: Apache-2.0

package instance

import "github.com/kairn-dev/kairn/proxy/entity"

// Do says what an [Output] asks for.
type Do uint8

// Whoever runs a Machine carries its outputs out in order.
const (
	Open    Do = iota // open a stream and replay; then say Loaded or LoadFailed
	Send              // give Command to the function; expect an answer
	Commit            // bring Command.Write to the store; then say Verdict
	Release           // call Command.Done with Command.Outcome
	Finish            // tell the function that no more comes, and let it end the stream
	Abort             // end the stream now, if there is one
	Recall            // read the reply to Command from the store; then say Recalled
	Leave             // forget the instance, unless it is needed again by then
)

// An Output is something to be done, with a command where that needs one.
type Output struct {
	Do      Do
	Command *Command
}

func (m *Machine) add(do Do, c *Command) { m.out = append(m.out, Output{do, c}) }

// refuse releases c with err, though others may be before it: err says nothing
// about the state of the instance.
func (m *Machine) refuse(c *Command, err error) {
	c.Outcome = entity.Outcome{Err: err}
	m.add(Release, c)
}

// Outputs returns what is to be done, valid until [Machine.Forget].
func (m *Machine) Outputs() []Output { return m.out }

// Forget drops the outputs; whoever calls it has them.
func (m *Machine) Forget() {
	clear(m.out)
	m.out = m.out[:0]
}
