// SPDX-License-Identifier: Apache-2.0

package discovery

import "time"

// A reminder says when something that goes on should be said again: after
// 10 s, and then after twice as long each time, up to 5 min.
type reminder struct {
	since time.Time
	next  time.Time
	gap   time.Duration
}

func newReminder() *reminder {
	const first = 10 * time.Second
	now := time.Now()
	return &reminder{since: now, next: now.Add(first), gap: 2 * first}
}

// due reports whether it is time, and if so sets the next one.
func (r *reminder) due() bool {
	now := time.Now()
	if now.Before(r.next) {
		return false
	}
	r.next = now.Add(r.gap)
	r.gap = min(2*r.gap, 5*time.Minute)
	return true
}

// waited returns how long it goes on.
func (r *reminder) waited() time.Duration { return time.Since(r.since).Round(time.Millisecond) }
