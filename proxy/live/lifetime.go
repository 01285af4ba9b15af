// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A lifetime is the context of one stream. It is what context.WithCancel
// returns, but lies within the activation, and tells the few that depend on it
// by way of AfterFunc, which package context looks for, instead of a map: that
// is a quarter of a kilobyte less for each idle instance.
type lifetime struct {
	mu    sync.Mutex // protects what follows
	done  chan struct{}
	over  bool
	after []*func() // called at the end
}

var _ context.Context = (*lifetime)(nil)

// Deadline implements [context.Context].
func (*lifetime) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Value implements [context.Context].
func (*lifetime) Value(any) any { return nil }

// Done implements [context.Context].
func (l *lifetime) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.over {
			close(l.done)
		}
	}
	return l.done
}

// Err implements [context.Context].
func (l *lifetime) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return context.Canceled
	}
	return nil
}

// AfterFunc arranges for f to run in a goroutine of its own when the lifetime
// is over. Stop returns whether it keeps f from that.
func (l *lifetime) AfterFunc(f func()) (stop func() bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		go f()
		return func() bool { return false }
	}
	l.after = append(l.after, &f)
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		i := slices.Index(l.after, &f)
		if i >= 0 {
			l.after = slices.Delete(l.after, i, i+1)
		}
		return i >= 0
	}
}

// end ends the lifetime. It may be called often.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	if l.done != nil {
		close(l.done)
	}
	for _, f := range l.after {
		go (*f)()
	}
	l.after = nil
}
