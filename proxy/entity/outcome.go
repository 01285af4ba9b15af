// SPDX-License-Identifier: Apache-2.0

package entity

// An Outcome is what became of a command at the entity that it was for. What
// the client gets follows from it once effects and forward are carried out.
type Outcome struct {
	Reply   Payload  // for the client, unless Forward or Err is set
	Meta    Metadata // of Reply
	Forward *Target  // the call whose answer is the client's; nil if none
	None    bool     // whether there is neither: a stream gets no message, other calls an empty one
	Effects []Effect // to be carried out first, in order
	Err     error    // why there is no reply

	ForwardKey IdemKey // of Forward; empty if it isn't to be remembered
}

// A Target is a call that the user function asks for.
type Target struct {
	Service string
	Command string
	Payload Payload
	Meta    Metadata
}

// An Effect is a side effect that the user function asks for.
type Effect struct {
	Target
	Synchronous bool // whether the client's answer waits for it
}
