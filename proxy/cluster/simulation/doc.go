// SPDX-License-Identifier: Apache-2.0

// Package simulation has nothing but tests: it runs a whole service, seed by
// seed, in virtual time. What decides is the code of the proxy (packages shard,
// member, cluster, lane, instance, memstore); what is played is what lies around
// it: the network, the user function, clients, clocks that run differently, and
// a world in which processes are paused and killed, requests and answers are
// lost, late or come twice, and the store goes away.
//
// One goroutine, the world, takes events from a queue. The goroutines of the
// lanes run only while it waits for them, so that a seed always plays the same
// game. After each event it checks what must always hold; at the end it lets
// everything calm down and checks that the service has.
//
// A failure prints the seed; run it again with
//
//	go test ./proxy/cluster/simulation -run TestService -seed N -tell
//
// Mutants, each of which breaks one rule of the protocol from outside, show that
// the checks find what they are for.
package simulation
