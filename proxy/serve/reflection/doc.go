// SPDX-License-Identifier: Apache-2.0

// Package reflection answers what tools ask of a server to learn its API,
// grpc.reflection.v1 and v1alpha, from the descriptors that the user function
// gave. It follows the catalogue of the moment, also within a stream.
//
// Grpc-go has a reflection service of its own. It can't be used: it lists what
// is registered with the server, and the services of the user function aren't;
// and the TCK wants other answers.
//
// # Answers
//
// list_services names the reflection service that was asked first, then the
// services of the user function, sorted, and nothing else, whatever text comes
// with the request.
//
// Requests for a file are answered by the file followed by all the files that it
// imports, directly or not, each once. The files of reflection itself and of
// health can be asked for too, so that tools can call them by name.
//
// What doesn't exist is answered differently. In v1 it is an error_response with
// NOT_FOUND, as clients expect. In v1alpha it is, as in the reference
// implementation and checked by the TCK, an empty list of files or extension
// numbers.
//
// While there is no catalogue the answer is an error_response with UNAVAILABLE
// and the reason. Every answer repeats the request and its host. A stream that
// is still open when the server wants to stop is ended.
//
// Both versions have the same messages on the wire, so one set of Go types
// serves both.
package reflection
