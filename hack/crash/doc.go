// SPDX-License-Identifier: Apache-2.0

// Package crash kills the proxy and the user function under load, again and
// again, and checks from outside that nothing acknowledged was lost, nothing
// was applied twice, and that each instance has one history that all its
// clients agree with.
//
// Each change adds a product of its own to a cart, and a cart shows its
// products in the order in which they were added: what a client reads is the
// whole history of the instance. The recorded calls are checked for
// linearizability against that. A call that got no answer may have taken effect
// at any time after it was sent, or never.
//
// Commands with idempotency keys are sent until they are acknowledged, some of
// them twice at once, and lead to side effects and forwards. In the end what was
// ordered is compared with what is there, in two places: it has to be the same.
package crash
