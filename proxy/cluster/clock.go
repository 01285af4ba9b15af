// SPDX-License-Identifier: Apache-2.0

package cluster

import "time"

// jump is by how much the wall clock may disagree with the process's own before
// the latter is doubted.
const jump = time.Second

// A clocks is what two clocks showed at one moment.
type clocks struct {
	own  time.Duration
	wall time.Time
}

func (c *Cluster) clocks() clocks {
	return clocks{c.Clock(), time.Now().Round(0)} // without the monotonic reading, which stands still in a suspended machine
}

// compare doubts the lease if one of the clocks has jumped since then: the machine
// may have slept, or have been stopped and copied.
func (c *Cluster) compare(before clocks) clocks {
	now := c.clocks()
	if apart := now.wall.Sub(before.wall) - (now.own - before.own); apart > jump || apart < -jump {
		c.log.Warn("a clock has jumped, the lease is not trusted until it is renewed", "by", apart)
		c.machine.Doubt(now.own)
	}
	return now
}
