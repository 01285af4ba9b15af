// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"sync"
	"sync/atomic"
)

// A gate lets commands in until it is closed. It is passed twice by every
// message of every stream, so it is one number and not a lock.
type gate struct {
	state atomic.Int64 // how many are inside, plus shut once it is closed
	empty func()       // closes left; may be called again
	left  chan struct{}
}

const shut = 1 << 62

func newGate() *gate {
	left := make(chan struct{})
	return &gate{left: left, empty: sync.OnceFunc(func() { close(left) })}
}

// enter reports whether the caller may go in; if so, it must leave.
func (g *gate) enter() bool {
	if g.state.Add(1) < shut {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.state.Add(-1) == shut {
		g.empty()
	}
}

// close lets nobody in any more and waits for those inside.
func (g *gate) close() {
	if g.state.Add(shut) == shut {
		g.empty()
	}
	<-g.left
}
