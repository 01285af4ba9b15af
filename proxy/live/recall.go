// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
)

// recall reads the reply to a command that was carried out before.
func (in *awake) recall(cmd *instance.Command) {
	in.stats.Recalled.Add(1)
	life := &lifetime{}
	timer := time.AfterFunc(in.set.Limits.Answer, life.end)
	reply, stored, err := in.set.Journal.Reply(life, in.key, cmd.Call.Key)
	timer.Stop()
	if err != nil {
		in.set.log.Error("reply was not read", "instance", in.key.String(), "err", err)
		err = fmt.Errorf("%s/%s was carried out before, and what came of it can't be read: %w",
			cmd.Call.Service, cmd.Call.Command, entity.ErrUnavailable)
	}
	in.mu.Lock()
	in.machine.Recalled(cmd, reply, stored, err, time.Now())
	in.carryOut()
}
