// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"fmt"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// Data is what a [CRDT] holds: a [GCounter], [PNCounter], [GSet], [ORSet],
// [LWWRegister], [Flag], [ORMap] or [Vote], or several of them put together by
// [Fields]. The zero value of each is ready for use. It must not be copied.
//
// The methods that change one are for commands, and for functions given to
// [OnCancel]. Nobody but the instance that has it may use it, and nothing at all
// when its command has returned.
type Data interface {
	// apply makes the changes that were made elsewhere.
	apply(d *cloudstate.CrdtDelta) error
	// pending returns the changes that nobody else knows of yet, nil if there are
	// none. All of it is new if nobody knows of the data at all.
	pending(created bool) *cloudstate.CrdtDelta
	// settle says that the others know the changes now, or undoes them.
	settle(keep bool)
}

// mismatch is the error of a delta for another type of data.
func mismatch(d *cloudstate.CrdtDelta, data Data) error {
	return fmt.Errorf("the proxy sent a delta of the type %T for a %T", d.GetDelta(), data)
}

// A GCounter is a counter that only grows.
type GCounter struct{ value, more uint64 }

// Value returns how far it has counted.
func (c *GCounter) Value() uint64 { return c.value + c.more }

// Increment adds by.
func (c *GCounter) Increment(by uint64) { c.more += by }

func (c *GCounter) apply(d *cloudstate.CrdtDelta) error {
	if d.GetGcounter() == nil {
		return mismatch(d, c)
	}
	c.value += d.GetGcounter().GetIncrement()
	return nil
}

func (c *GCounter) pending(created bool) *cloudstate.CrdtDelta {
	if c.more == 0 && !created {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: c.more}}}
}

func (c *GCounter) settle(keep bool) {
	if keep {
		c.value += c.more
	}
	c.more = 0
}

// A PNCounter is a counter that grows and shrinks.
type PNCounter struct{ value, more int64 }

// Value returns where it stands.
func (c *PNCounter) Value() int64 { return c.value + c.more }

// Add adds by, which may be negative.
func (c *PNCounter) Add(by int64) { c.more += by }

func (c *PNCounter) apply(d *cloudstate.CrdtDelta) error {
	if d.GetPncounter() == nil {
		return mismatch(d, c)
	}
	c.value += d.GetPncounter().GetChange()
	return nil
}

func (c *PNCounter) pending(created bool) *cloudstate.CrdtDelta {
	if c.more == 0 && !created {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Pncounter{Pncounter: &cloudstate.PNCounterDelta{Change: c.more}}}
}

func (c *PNCounter) settle(keep bool) {
	if keep {
		c.value += c.more
	}
	c.more = 0
}

// A Flag is false until somebody enables it, and true from then on.
type Flag struct{ value, more bool }

// Enabled reports whether somebody has enabled it.
func (f *Flag) Enabled() bool { return f.value || f.more }

// Enable makes it true.
func (f *Flag) Enable() { f.more = !f.value }

func (f *Flag) apply(d *cloudstate.CrdtDelta) error {
	if d.GetFlag() == nil {
		return mismatch(d, f)
	}
	f.value = f.value || d.GetFlag().GetValue()
	return nil
}

func (f *Flag) pending(created bool) *cloudstate.CrdtDelta {
	if !f.more && !created {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Flag{Flag: &cloudstate.FlagDelta{Value: f.more}}}
}

func (f *Flag) settle(keep bool) {
	f.value = f.value || keep && f.more
	f.more = false
}

// A Vote has a vote of each proxy, for or against. They are against until they
// say otherwise.
type Vote struct {
	self, was bool // our vote, and what it was before the command
	others    int  // of the other votes, how many are for it
	voters    int  // 0 as long as the proxy hasn't said
}

// Self returns the vote of the proxy of this instance.
func (v *Vote) Self() bool { return v.self }

// For returns how many votes are for it.
func (v *Vote) For() int {
	if v.self {
		return v.others + 1
	}
	return v.others
}

// Voters returns how many votes there are.
func (v *Vote) Voters() int { return max(v.voters, 1) }

// Vote changes the vote of the proxy of this instance.
func (v *Vote) Vote(is bool) { v.self = is }

func (v *Vote) apply(d *cloudstate.CrdtDelta) error {
	vote := d.GetVote()
	if vote == nil {
		return mismatch(d, v)
	}
	v.self, v.was = vote.GetSelfVote(), vote.GetSelfVote()
	v.others, v.voters = int(vote.GetVotesFor()), int(vote.GetTotalVoters())
	if v.self {
		v.others--
	}
	return nil
}

func (v *Vote) pending(created bool) *cloudstate.CrdtDelta {
	if v.self == v.was && !created {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Vote{Vote: &cloudstate.VoteDelta{SelfVote: v.self}}}
}

func (v *Vote) settle(keep bool) {
	if !keep {
		v.self = v.was
	}
	v.was = v.self
}
