// SPDX-License-Identifier: Apache-2.0

package entity

// An Exchange is the client's side of a call whose request or reply is
// streamed. One goroutine may receive while another sends. Both block for as
// long as the client, or what is between, makes them: that is how a slow one
// slows the other.
type Exchange interface {
	// Recv returns the client's next message, [io.EOF] when the client sends
	// no more, and another error when the call is over, soon after whoever
	// serves it has ended it.
	Recv() ([]byte, error)

	// Send gives the client a message. Metadata goes with it as far as the
	// transport can carry it.
	Send(payload []byte, md Metadata) error
}
