// SPDX-License-Identifier: Apache-2.0

// Package rpc serves remote procedure calls on a server of package http: gRPC,
// gRPC-Web and Connect. Which of them a request speaks, and whether it speaks
// one at all, is in the request alone, see [Of].
//
//	protocol         requests                                          messages
//	gRPC             POST, application/grpc, HTTP/2                    framed
//	gRPC-Web         POST, application/grpc-web or -web-text           framed; text is base64
//	Connect, unary   POST, application/proto, or application/json      the whole body
//	                 with the header Connect-Protocol-Version
//	Connect, GET     GET with connect=v1 in the query                  in the query
//	Connect, stream  POST, application/connect+proto or +json          framed
//
// All of them take protobuf; JSON as well, with +json after gRPC's types. A POST
// with application/json but without the header is left to REST, whose default
// route has the same path and the same form.
//
// A call becomes a grpc.ServerStream, so that whoever carries it out needs not
// know of any of this.
//
// # Compression
//
// Gzip is taken. A reply is compressed if the request was; Connect's, if the
// client accepts it and the reply has a kibibyte at least.
//
// # Errors
//
// They have the form that the protocol wants: trailers, a frame of trailers, or
// JSON, with the HTTP status of Connect's table if the call is unary. What is no
// call at all gets a bare HTTP status: 405 for another method than POST, 415 for
// a type of message that the method doesn't have, 505 for gRPC over HTTP/1.1.
//
// # Limits
//
// A message is at most as long as the options say, decompressed, and memory for
// it is taken as it arrives. The one message of a call has to arrive within the
// time that the options say, or the call ends with DEADLINE_EXCEEDED.
package rpc
