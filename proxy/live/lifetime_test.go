// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestLifetimeIsAContext compares a lifetime with what context.WithCancel
// returns.
func TestLifetimeIsAContext(t *testing.T) {
	for name, begin := range map[string]func() (context.Context, func()){
		"lifetime": func() (context.Context, func()) { l := &lifetime{}; return l, l.end },
		"context":  func() (context.Context, func()) { return context.WithCancel(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := begin()
				if err := ctx.Err(); err != nil {
					t.Errorf("at first: %v", err)
				}
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				gone, leave := context.WithCancel(ctx)
				leave()
				if err := ctx.Err(); err != nil {
					t.Errorf("with one child less: %v", err)
				}
				end()
				end()
				<-ctx.Done()
				<-child.Done()
				<-gone.Done()
				synctest.Wait()
				for _, c := range []context.Context{ctx, child, gone} {
					if err := c.Err(); !errors.Is(err, context.Canceled) {
						t.Errorf("at the end: %v", err)
					}
				}
				late, cancel := context.WithCancel(ctx)
				defer cancel()
				<-late.Done()
			})
		})
	}
}

func TestLifetimeForgetsWhatIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lifetime
		var ran atomic.Int64
		stop := l.AfterFunc(func() { ran.Add(10) })
		l.AfterFunc(func() { ran.Add(1) })
		if !stop() || stop() {
			t.Error("stop works once")
		}
		if len(l.after) != 1 {
			t.Errorf("%d functions are kept, want 1", len(l.after))
		}
		l.end()
		l.AfterFunc(func() { ran.Add(100) })
		synctest.Wait()
		if got := ran.Load(); got != 101 {
			t.Errorf("ran %d, want 101", got)
		}
	})
}
