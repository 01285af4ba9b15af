// SPDX-License-Identifier: Apache-2.0

// Package discovery asks the user function what it serves, checks the answer,
// and notices when the function is away or has become another one.
//
// # One question for each connection
//
// [Run] waits for a connection to the function, calls discover until there is
// an answer, and then only watches the connection: the answer holds for as long
// as that lasts. There is no polling, so a function that answers is asked once.
// When the connection is lost, so is what is known about the function, for a
// process that has it no more may come back with another spec: Run says so at
// once, connects again, and asks again.
//
// That a connection is lost is seen as any change of its state away from ready.
// The watch begins before the question, so that no answer outlives its
// connection unnoticed.
//
// # Waiting
//
// Waiting for the function is normal: at a cold start the proxy is there first.
// Connecting is tried every few milliseconds at first, less and less often up
// to once a second; a failed call again after 50 ms up to 10 s. Run waits for
// ever, and says so on the log now and then.
//
// # Errors of the function
//
// What is wrong with a spec goes to the function by reportError, one call for
// each thing, and to the log, and is the reason given to Lost. Then Run waits
// until the connection ends, since only another process can answer better.
package discovery
