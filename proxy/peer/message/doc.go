// SPDX-License-Identifier: Apache-2.0

// Package message says a call and what became of it in the words in which members
// of a service speak to each other, and understands them.
//
// A call that is passed on is the same call: its payload, metadata (in which the
// trace context is), idempotency key and depth. Its deadline is sent as the time
// that is left, since the members' clocks may differ; what the way takes is added
// to it, so the entrance keeps its own deadline and cancels.
//
// A failure is passed on as all the errors of package entity that it wraps, its
// text, and what the function said or is wrong with the request. So the client
// gets the same status, with the same details, whether the instance is here or
// there. An error that is none of these stays one that clients are told nothing
// about.
package message
