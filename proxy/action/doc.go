// SPDX-License-Identifier: Apache-2.0

// Package action carries out calls of actions: methods of the user function that
// have no state. A call of one is a call of the function, in one of four shapes
// that the method's descriptor chooses.
//
//	request   reply     method of cloudstate.action.ActionProtocol
//	one       one       handleUnary
//	streamed  one       handleStreamedIn
//	one       streamed  handleStreamedOut
//	streamed  streamed  handleStreamed
//
// Where the request is streamed, the first message to the function names the
// method and has the call's metadata, and those after it have a payload only.
// Elsewhere the one message has all of it.
//
// # A streamed call
//
// It runs on the goroutine of whoever wants it; a second one takes the client's
// messages to the function if there can be many. Neither ever holds more than
// the message that it is passing on, so a client that reads slowly slows the
// function down and the other way round; between them are only the windows of
// the connections. Whatever ends the call on one side ends it on the other: the
// client's half-close is passed on, its going away and its deadline cancel the
// function's stream, and the end of that, its status included, ends the call.
//
// The function's responses are handled one after the other, each to its end:
// the effects, then the forward or the reply. A failure ends the call, and the
// function's stream is canceled.
//
// # When the function goes away
//
// An action may do things that the proxy knows nothing of. So a call whose
// function is lost is [entity.ErrUnavailable] only if the function surely had
// nothing of it, and otherwise [entity.ErrUnknownOutcome].
package action
