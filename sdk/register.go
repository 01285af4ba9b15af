// SPDX-License-Identifier: Apache-2.0

package sdk

import "github.com/kairn-dev/kairn/proto/cloudstate"

// An LWWRegister holds a value; the one that was set last wins. Until then, it
// is the zero value of T, which the first command of the instance sets: there is
// no register without a value. T is a generated message or a scalar type, see
// [GSet].
type LWWRegister[T any] struct {
	value, was T
	set        bool // by the command
	clock      Clock
	known      bool // to others
}

// A Clock says which value of an [LWWRegister] was set last.
type Clock struct {
	kind   cloudstate.CrdtClock
	custom int64
}

// ReverseClock lets the value win that was set first, by the clocks of the
// proxies. Those decide for the last one otherwise.
func ReverseClock() Clock { return Clock{kind: cloudstate.CrdtClock_CRDT_CLOCK_REVERSE} }

// CustomClock lets the value with the highest time win.
func CustomClock(time int64) Clock {
	return Clock{kind: cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM, custom: time}
}

// CustomAutoIncrementClock lets the value with the highest time win. If time is
// not higher than that of the value before, the one after that is taken.
func CustomAutoIncrementClock(time int64) Clock {
	return Clock{kind: cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM_AUTO_INCREMENT, custom: time}
}

// Value returns the value. A message must not be changed.
func (r *LWWRegister[T]) Value() T { return r.value }

// Set sets the value. A message must not be changed any more.
func (r *LWWRegister[T]) Set(value T) { r.SetBy(Clock{}, value) }

// SetBy sets the value with a time that isn't simply now. A register should be
// set with one kind of clock only.
func (r *LWWRegister[T]) SetBy(c Clock, value T) {
	encode(value) // a value that can't be encoded is a fault of who sets it
	if !r.set {
		r.was = r.value
	}
	r.value, r.set, r.clock = value, true, c
}

func (r *LWWRegister[T]) apply(d *cloudstate.CrdtDelta) error {
	in := d.GetLwwregister()
	if in == nil {
		return mismatch(d, r)
	}
	value, err := decode[T](in.GetValue())
	if err != nil {
		return err
	}
	r.value, r.known = value, true
	return nil
}

func (r *LWWRegister[T]) pending(bool) *cloudstate.CrdtDelta {
	if !r.set && r.known {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Lwwregister{Lwwregister: &cloudstate.LWWRegisterDelta{
		Value: encode(r.value).any(), Clock: r.clock.kind, CustomClockValue: r.clock.custom,
	}}}
}

func (r *LWWRegister[T]) settle(keep bool) {
	if !keep && r.set {
		r.value = r.was
	}
	var none T
	r.was, r.set, r.clock = none, false, Clock{}
	r.known = r.known || keep
}
