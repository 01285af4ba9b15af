// SPDX-License-Identifier: Apache-2.0

// Package port is the shared port: HTTP/1.1 and HTTP/2, without TLS (prior
// knowledge) or with it, for every client. Each request is told apart by itself,
// so that one connection can carry gRPC, gRPC-Web, Connect and REST at once, as
// those of gateways and of Knative's queue-proxy do.
//
// # Which request goes where
//
//  1. One with the header K-Network-Probe is answered here: "queue" with 200 and
//     the word, if the proxy is ready, otherwise 503 with the reason; "probe"
//     with 200 and the K-Network-Hash that it brought; another with 400.
//  2. A preflight of CORS is answered here, if that is on.
//  3. What package rpc takes for a call goes there.
//  4. All else is REST.
//
// # CORS
//
// Off by default: no header of it is sent. With origins, pages of these may call
// any method with any header, and see all headers of the reply.
//
// # Limits
//
// Headers are at most 64 KiB and 200 fields, counted as HTTP/2 does: above that a
// call ends with RESOURCE_EXHAUSTED, another request with 431. Twice as much is
// refused before it is read. A connection carries 1,000 requests at once; one
// that begins and gives up more than four times as many, before they could be
// looked at, is closed. Headers must arrive within 20 s. What is written must be
// taken within 30 s, or the connection is closed; a stream that its client does
// not read waits, and with it whoever sends, but nothing piles up. A connection
// that was silent for a minute is pinged, and closed if no answer comes within
// 20 s; one without a request for 30 minutes is closed.
//
// # Stopping
//
// Run ends when its context does: idle connections are closed, those of HTTP/2
// get a GOAWAY, requests that run are finished. After the drain time the context
// of the others ends, with [serve.ErrCutOff] as its cause; they have half a
// second to say so.
package port
