// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"sync/atomic"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
)

// TestLapsedMemberAnswersNothingFromMemory checks that a reply is given only if
// it was written or the lease lives when it is given.
func TestLapsedMemberAnswersNothingFromMemory(t *testing.T) {
	var lapsed atomic.Bool
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("a", "read")
		s := r.accept()
		s.command(1, "read")
		lapsed.Store(true) // while the function thinks
		s.reply(1, "nothing yet")
		c.failed(entity.ErrUnavailable)

		c = r.submit("a", "write")
		s.command(2, "write")
		s.reply(2, "written", "write")
		c.replied("written")

		lapsed.Store(false)
		c = r.submit("a", "read")
		s.command(3, "read")
		s.reply(3, "write")
		c.replied("write")
		s.halfClosed()
	}, func(cfg *live.Config) { cfg.Alive = func() bool { return !lapsed.Load() } })
}
