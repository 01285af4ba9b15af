// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// Memory says how long, and how many of, the replies to commands with keys are
// remembered.
type Memory struct {
	Commands time.Duration // how long replies are stored
	Effects  time.Duration // the same, for commands that come out of an outbox
	Recent   int           // how many an instance knows without asking the store
}

// maxKnown is how many bytes a reply may have that is known without asking the
// store.
const maxKnown = 16 << 10

// known are the replies to the last commands with keys, stored or in undecided.
// Most instances have none, and nil for that.
type known struct {
	replies map[entity.IdemKey]*entity.Reply
	order   fifo[entity.IdemKey] // in which they came; some may be gone
}

// know adds r to what is known.
func (m *Machine) know(r *entity.Reply) {
	most := m.Limits.Memory.Recent
	if most <= 0 || len(r.Payload.Value) > maxKnown {
		return
	}
	if m.known == nil {
		m.known = &known{replies: map[entity.IdemKey]*entity.Reply{}}
	}
	k := m.known
	for k.order.len() >= most {
		delete(k.replies, k.order.pop())
	}
	k.replies[r.Key] = r
	k.order.push(r.Key)
}

// repeated answers c, whose turn it is, if it was answered before, and returns
// whether it was. What it gets it gets after all that is undecided before it.
func (m *Machine) repeated(c *Command) bool {
	if c.Call.Key == "" || m.known == nil {
		return false
	}
	r := m.known.replies[c.Call.Key]
	if r == nil {
		return false
	}
	c.Outcome = recalled(c, r)
	m.undecided.push(c)
	m.settle()
	return true
}

// remember makes the reply to c a part of its write, if c has a key and its
// answer is one that a repeat is to get. An answer that says that it may be
// tried again is not.
func (m *Machine) remember(c *Command, d *Decision, now time.Time) {
	if c.Call.Key == "" {
		return
	}
	o := &d.Outcome
	refusal, refused := errors.AsType[*entity.Refusal](o.Err)
	if o.Err != nil && !refused {
		return
	}
	ttl := m.Limits.Memory.Commands
	if strings.HasPrefix(string(c.Call.Key), "fx:") {
		ttl = max(ttl, m.Limits.Memory.Effects)
	}
	r := &entity.Reply{
		Key: c.Call.Key, Method: method(c), Hash: sha256.Sum256(c.Call.Payload),
		Expires: time.UnixMilli(now.Add(ttl).UnixMilli()), Refusal: refusal,
	}
	switch {
	case refused:
	case o.Forward != nil:
		r.Forward = &entity.Forwarded{Target: *o.Forward, Key: o.ForwardKey}
	default:
		r.Payload, r.Meta, r.None = o.Reply, o.Meta, o.None
	}
	d.Write.Reply = r
	m.know(r)
}

func method(c *Command) string { return c.Call.Service + "/" + c.Call.Command }

// recalled returns what c gets, which was answered before with r.
func recalled(c *Command, r *entity.Reply) entity.Outcome {
	switch {
	case r.Method != method(c):
		return entity.Outcome{Err: fmt.Errorf("idempotency key was used for %s before: %w", r.Method, entity.ErrInvalid)}
	case strings.HasPrefix(string(r.Key), "idem:") && r.Hash != sha256.Sum256(c.Call.Payload):
		return entity.Outcome{Err: fmt.Errorf("idempotency key was used for another request before: %w", entity.ErrInvalid)}
	case r.Refusal != nil:
		return entity.Outcome{Err: r.Refusal}
	case r.Forward != nil:
		return entity.Outcome{Forward: &r.Forward.Target, ForwardKey: r.Forward.Key}
	}
	return entity.Outcome{Reply: r.Payload, Meta: r.Meta, None: r.None}
}

// recall has the store asked for the reply to c, the last one undecided, which
// the store has.
func (m *Machine) recall(c *Command, now time.Time) {
	c.recalling = true
	m.giveUpStream(now)
	m.add(Recall, c)
}

// Recalled says what the store knows of c, which was to be recalled: the reply,
// or that there is none any more, in which case the command runs again.
func (m *Machine) Recalled(c *Command, r entity.Reply, stored bool, err error, now time.Time) {
	if !c.recalling {
		return // it was dropped
	}
	c.recalling = false
	switch {
	case err != nil:
		c.Outcome = entity.Outcome{Err: err}
	case !stored: // nothing came after it, since there is no stream
		m.mailbox.pushFront(m.undecided.popBack())
	default:
		c.Outcome = recalled(c, &r)
		m.know(&r)
	}
	m.settle()
	m.advance(now)
}
