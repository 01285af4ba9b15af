// SPDX-License-Identifier: Apache-2.0

// Package serve is the edge of the proxy: the ports that clients, probes and
// people reach.
//
//   - [GRPC] serves the user function's services, grpc.health.v1 and
//     reflection on one port, HTTP/2 without TLS.
//   - [Admin] is the handler of the admin port: /ready, /live, /metrics and,
//     if asked for, /debug/pprof.
//
// # A call
//
// The edge never looks into a payload. It takes the one request message of a
// unary call as bytes, adds what the headers say, gives that to a [Submitter]
// and waits for the answer or for the client to go away, whichever is first. A
// client that goes away costs nothing afterwards: the late answer is dropped.
// The wait happens here and only here, on grpc-go's goroutine of the call;
// below the edge everything is done by events.
//
// Methods come from the catalogue that discovery supplies, which may change
// while calls run. Before there is one, calls end with UNAVAILABLE and the
// reason.
//
// # A streamed call
//
// A call with a streamed request or reply is given to a [Streamer] together with
// the client's side of it, and keeps its goroutine until it has ended. So is any
// call of an action: nothing waits for a turn below, and the goroutine that
// would only wait does the work. Nothing is read ahead of what the Streamer asks
// for, nor sent before the client takes what came before, but for the windows of
// the connection.
//
// # Metadata
//
// Request headers become the metadata of the call, in the order of their names,
// lower case; the value of a name that ends in -bin is decoded. Left out is
// what belongs to the connection or to the protocol below: names that begin with
// a colon, content-type, te, host, connection and its like, user-agent,
// everything that begins with grpc- (except grpc-trace-bin, which carries trace
// context), and everything that begins with kairn-, which clients may not set. A
// deadline travels as the deadline of the call.
//
// The metadata of an answer, also of a failure, becomes response headers by the
// same rules; of a streamed reply, that of the first message, since gRPC has no
// place for that of the others. No header is sent before that message. What can't be sent (a name with other characters than a-z, 0-9,
// dot, dash and underscore; text that isn't printable ASCII) is left out, since the
// command itself has been carried out; the log says so at level debug.
//
// # Errors
//
// One table, in package outcome, says which error of package entity becomes which
// status. The first row that fits counts.
//
//	error               code                 text
//	*Refusal            UNKNOWN              the function's description, nothing else; the code that it chooses, if any
//	*Crash              INTERNAL             likewise
//	ErrUnknownOutcome   UNAVAILABLE          the error; trailer kairn-outcome: unknown
//	ErrLaneMoved        UNAVAILABLE          the error; trailer kairn-outcome: unknown
//	ErrProtocol         INTERNAL             the error
//	ErrFull             RESOURCE_EXHAUSTED   the error
//	ErrRefused          INTERNAL             the error
//	ErrRepeated         INTERNAL             the error
//	ErrLoop             FAILED_PRECONDITION  the error, with the chain
//	ErrInvalid          INVALID_ARGUMENT     the error
//	*Invalid            INVALID_ARGUMENT     the fields that are wrong, also as a google.rpc.BadRequest
//	ErrUnimplemented    UNIMPLEMENTED        the error
//	ErrOverloaded       RESOURCE_EXHAUSTED   the error
//	ErrDeadline         DEADLINE_EXCEEDED    the error
//	ErrCanceled         CANCELLED            the error
//	ErrUnavailable      UNAVAILABLE          the error
//	ErrNoMember         UNAVAILABLE          the error
//	*Status             its own              the function's text; UNKNOWN if there is no such code
//	any other           INTERNAL             "entity failed"; the log has the error
//
// UNAVAILABLE without the trailer means that the call had no effect and may be
// sent again. A description longer than 4 KiB is cut: some clients lose the
// whole status over it. Grpc-go adds statuses of its own: RESOURCE_EXHAUSTED for
// a message over the limit, UNIMPLEMENTED for an unknown compression.
//
// # Limits
//
// A request message is at most 4 MiB, decompressed, unless the options say
// otherwise; a reply has no limit here. A client can send 64 KiB of a stream ahead
// of whoever reads it. Headers are at most 64 KiB. A connection
// carries at most 10,000 calls at once: the default, no limit, lets one client
// take all the memory. A connection that was silent for a minute is pinged, and
// closed if no answer comes within 20 s; one that carried no call for 30 minutes
// is closed in an orderly way. Clients may ping every 10 s, also while idle.
// Gzip is spoken if the client speaks it first.
//
// # Stopping
//
// Run ends when its context does: health says NOT_SERVING, every connection
// gets a GOAWAY, calls that run are finished, watchers of health and users of
// reflection are sent away. What is still there after the drain time is cut
// off, with UNAVAILABLE and kairn-outcome: unknown if it takes that.
package serve
