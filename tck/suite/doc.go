// SPDX-License-Identifier: Apache-2.0

// Package suite runs the cases of the conformance suite and judges them.
//
// # Two kinds of cases
//
// In a model case the suite plays the proxy and speaks to the function: it
// tests a support library. In a proxy case it is both the client of the proxy
// and in between proxy and function (package intercept), and compares every
// message exactly: it tests a proxy, in front of whatever function serves the
// model.
//
// A case is a function that takes a [T] and reads like the exchange that it is
// about. It runs only if the function has the services it needs, and if what it
// needs of the target is there; else it is pending, and the report says why.
// Each wait is limited to [Wait].
//
// # Nothing else happens
//
// When a proxy case is done, nothing that it has not expected may have been
// seen between proxy and function. What comes without being caused by the case
// can't be waited for, and nothing here sleeps. Instead:
//
// First, a case waits itself for each end that has to come: half-closes, ends
// of streams, streams that are opened without a command.
//
// Then a barrier makes a few calls, one after the other, through the proxy to
// another instance of the function. Each takes the way that a stray message
// would take: the client's connection, the router, the store, the connection
// to the function, where messages keep their order. What the proxy had begun
// before a call of the barrier has had its chance to be seen.
//
// That is bounded but no proof, so nothing is forgotten either. The log lasts
// to the end of the run, and what comes later in the streams of a case is
// charged to that case then, whatever its verdict had been. Only passivation is
// allowed: a half-close by the proxy and a good end by the function.
package suite
