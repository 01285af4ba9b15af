// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Decision is what the protocol of an entity type makes of an answer of the
// function.
type Decision struct {
	Outcome entity.Outcome
	Write   entity.Write // is empty if there is nothing to store
	Restart bool         // whether the function asks to be loaded again

	Keep time.Duration // how long what a deletion has ended is to stay stored; 0 if the function doesn't say
}
