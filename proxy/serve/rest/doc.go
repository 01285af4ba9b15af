// SPDX-License-Identifier: Apache-2.0

// Package rest serves the methods of a user function over plain HTTP with JSON,
// by their google.api.http rules. Package httprule finds the method, package
// transcode makes the message; this package is what is between them and HTTP.
//
// # A call
//
// Request headers become metadata, and metadata of the answer headers, by the
// rules of package serve; so the function says how long a reply may be kept, and
// Idempotency-Key is a metadata of that name. A Grpc-Timeout is the deadline.
//
// A body is application/json, or whatever else if it becomes a
// google.api.HttpBody; it may be compressed with gzip. A reply of a KiB and more
// is compressed if the client takes gzip.
//
// # Streams
//
// A streamed reply is one JSON value on each line, or Server-Sent Events if the
// client accepts text/event-stream. Each is sent as it comes. A streamed request
// is a body of several JSON values, one after the other. On HTTP/2 both go on at
// the same time; on HTTP/1.1 too, if the client can do that. Replies that are
// google.api.HttpBody are put together to one body.
//
// A stream that fails before its first message is a response with an error. Later
// its last line is {"error":{…}}, in Server-Sent Events an event named error,
// and in any case the trailers grpc-status and grpc-message say so; a raw body is
// cut off.
//
// # WebSockets
//
// A request for a WebSocket goes to a streamed method, whatever the verb of its
// rule is. Each message is JSON, in both directions. An empty message says that
// no more follow from the client. When the call has ended the WebSocket is
// closed: with 1000, or after a message {"error":{…}} with 4000 and the code of
// the status.
//
// # Errors
//
// They have the HTTP status that google.rpc.Code says is that of the code, but
// for 404, 405, 413 and 415, and a body
//
//	{"error":{"code":400,"message":"…","status":"INVALID_ARGUMENT","details":[…]}}
//
// whose details have a google.rpc.BadRequest if fields are wrong. If nobody can
// say whether the call was carried out there is the header kairn-outcome:
// unknown; UNAVAILABLE without it has Retry-After.
package rest
