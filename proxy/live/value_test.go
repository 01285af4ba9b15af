// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A valuePart is the function's part in one stream of a value entity.
type valuePart struct{ part }

// acceptValue takes the next stream, past its init, which must have that value,
// none if it is empty.
func (r *rig) acceptValue(value string) valuePart {
	r.t.Helper()
	p := valuePart{r.acceptSilently()}
	init := p.next().GetInit()
	if init == nil || init.GetState() == nil || string(init.GetState().GetValue().GetValue()) != value {
		r.t.Fatalf("stream begins with %v, want the state %q", init, value)
	}
	if value == "" && init.GetState().Value != nil {
		r.t.Fatalf("stream begins with %v, want no value", init)
	}
	return p
}

func (p valuePart) next() *livetest.ValueIn {
	p.t.Helper()
	m, err := p.NextValue()
	if err != nil {
		p.t.Fatalf("next message: %v", err)
	}
	return m
}

// takes checks that the next message is the command id with item.
func (p valuePart) takes(id int64, item string) {
	p.t.Helper()
	if c := p.next().GetCommand(); c.GetId() != id || string(c.GetPayload().GetValue()) != item || c.GetName() != "Append" {
		p.t.Fatalf("got %v, want command %d with %s", c, id, item)
	}
}

func (p valuePart) says(out *livetest.ValueOut) {
	p.t.Helper()
	if err := p.SendValue(out); err != nil {
		p.t.Fatalf("answer: %v", err)
	}
}

// value returns what is stored of the instance id.
func (r *rig) value(id string) entity.Value {
	r.t.Helper()
	v, err := r.store.Store.Value(r.t.Context(), entity.Key{Entity: values.Name, ID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// storedItems returns the items of the value of the instance id.
func (r *rig) storedItems(id string) []string {
	v := r.value(id)
	if !v.Exists {
		return nil
	}
	return strings.Split(string(v.Value), ",")
}

func (r *rig) wantStored(version entity.Seq, value string) {
	r.t.Helper()
	if v := r.value("a"); v.Version != version || v.Exists != (value != "") || string(v.Value) != value {
		r.t.Errorf("stored %+v, want version %d: %q", v, version, value)
	}
}

// updates has the instance a take an update, on the stream p, and stores it.
func (r *rig) updates(p valuePart, id int64, text string) {
	r.t.Helper()
	c := r.submitTo(values, "a", text)
	p.takes(id, text)
	p.says(livetest.Update(id, text))
	c.replied(text)
}

func TestValueIsStoredAndGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		first := r.submitTo(values, "a", "1")
		s := r.acceptValue("")
		if s.Method != "/cloudstate.valueentity.ValueEntity/handle" {
			t.Errorf("method %s", s.Method)
		}
		s.takes(1, "1")
		s.says(livetest.Update(1, "1"))
		first.replied("1")
		r.updates(s, 2, "2")
		r.wantStored(2, "2")
		look := r.submitTo(values, "a", "look")
		s.takes(3, "look")
		s.says(livetest.ValueReply(3, "2"))
		look.replied("2")
		r.wantStored(2, "2")
		<-time.After(idle)
		s.halfClosed()
		again := r.submitTo(values, "a", "3")
		s = r.acceptValue("2")
		s.takes(1, "3")
		s.says(livetest.Update(1, "3"))
		again.replied("3")
		r.wantStored(3, "3")
		r.ending(s.part)
		n := r.set.Stats()[values.Name]
		if p, l := &n.PersistedValues, &n.LoadedValues; p.Count.Load() != 3 || p.Bytes.Load() != 3 || l.Count.Load() != 1 || l.Bytes.Load() != 1 {
			t.Errorf("persisted %d (%d bytes), loaded %d (%d bytes)", p.Count.Load(), p.Bytes.Load(), l.Count.Load(), l.Bytes.Load())
		}
	})
}

// TestDeletedValue checks that the stream outlives a deletion, and that the next
// activation begins with nothing, yet on the next version.
func TestDeletedValue(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		first, gone := r.submitTo(values, "a", "1"), r.submitTo(values, "a", "delete")
		s := r.acceptValue("")
		s.takes(1, "1")
		s.says(livetest.Update(1, "1"))
		first.replied("1")
		s.takes(2, "delete")
		s.says(livetest.Deletion(2, "gone"))
		gone.replied("gone")
		r.wantStored(2, "")
		look := r.submitTo(values, "a", "look")
		s.takes(3, "look")
		s.says(livetest.ValueReply(3, "nothing"))
		look.replied("nothing")
		<-time.After(idle)
		s.halfClosed()
		again := r.submitTo(values, "a", "3")
		s = r.acceptValue("")
		s.takes(1, "3")
		s.says(livetest.Update(1, "3"))
		again.replied("3")
		r.wantStored(3, "3")
		r.ending(s.part)
	})
}

// TestValueEntityThatMisbehaves has the answers that are of no use. The client
// is told, nothing is stored, and the instance goes on with what is.
func TestValueEntityThatMisbehaves(t *testing.T) {
	withAction := func(m *livetest.ValueOut, a *cloudstate.ValueEntityAction) *livetest.ValueOut {
		m.GetReply().StateAction = a
		return m
	}
	update := livetest.Update(2, "2").GetReply().GetStateAction()
	for _, tt := range []struct {
		name    string
		out     *livetest.ValueOut
		reports int
	}{
		{"another id", livetest.Update(3, "2"), 1},
		{"an empty message", &livetest.ValueOut{}, 1},
		{"an empty state action", withAction(livetest.ValueReply(2, "2"), &cloudstate.ValueEntityAction{}), 1},
		{"an update without a value", withAction(livetest.ValueReply(2, "2"), &cloudstate.ValueEntityAction{
			Action: &cloudstate.ValueEntityAction_Update{Update: &cloudstate.ValueEntityUpdate{}},
		}), 1},
		{"a refusal with an update", withAction(livetest.ValueRefusal(2, "no", false), update), 1},
		{"a refusal with an update and a restart", withAction(livetest.ValueRefusal(2, "no", true), update), 0},
		{"a failure", livetest.ValueFailure(2, "no"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				first := r.submitTo(values, "a", "1")
				s := r.acceptValue("")
				s.takes(1, "1")
				s.says(livetest.Update(1, "1"))
				first.replied("1")
				bad, waits := r.submitTo(values, "a", "2"), r.submitTo(values, "a", "3")
				s.takes(2, "2")
				s.says(tt.out)
				bad.failedSomehow()
				r.ending(s.part)
				s = r.acceptValue("1")
				s.takes(1, "3")
				s.says(livetest.Update(1, "3"))
				waits.replied("3")
				r.wantStored(2, "3")
				if got := r.reports(); len(got) != tt.reports {
					t.Errorf("function was told %q", got)
				}
				r.ending(s.part)
			})
		})
	}
}

// TestRefusedValue checks that what came after a write that the store refuses
// runs again, on the value without it.
func TestRefusedValue(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.store.refuse = func(w entity.Write) bool { return w.Value != nil && string(w.Value.Value) == "bad" }
		release := r.store.hold()
		good, bad, after := r.submitTo(values, "a", "good"), r.submitTo(values, "a", "bad"), r.submitTo(values, "a", "after")
		s := r.acceptValue("")
		for i, text := range []string{"good", "bad", "after"} {
			s.takes(int64(i+1), text)
			s.says(livetest.Update(int64(i+1), text))
		}
		synctest.Wait()
		release()
		good.replied("good")
		bad.failed(entity.ErrRefused)
		s.canceled()
		s = r.acceptValue("good")
		s.takes(1, "after")
		s.says(livetest.Update(1, "after"))
		after.replied("after")
		r.wantStored(2, "after")
		r.ending(s.part)
	})
}

func TestValueThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		lost := errors.New("disk is gone")
		r.store.readErr = lost
		r.submitTo(values, "a", "1").failed(lost)
		r.store.readErr = nil
		_, err := r.fn.Accept(t.Context()) // which was given up
		if err != nil {
			t.Fatal(err)
		}
		c := r.submitTo(values, "a", "1")
		s := r.acceptValue("")
		s.takes(1, "1")
		s.says(livetest.Update(1, "1"))
		c.replied("1")
		r.ending(s.part)
	})
}

func TestEntityTypesThatHaveNoInstances(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, typ := range []string{route.Action, route.CRDT, ""} {
			c := newCall(t, "x")
			r.set.Submit(&route.Entity{Service: "test.Other", Type: typ, Name: "test.Other/other"}, "a", c.cmd)
			c.failed(entity.ErrUnimplemented)
		}
	})
}

// faultyValue is as faulty, for a value entity.
func faultyValue(s *livetest.Stream, rng *rand.Rand) {
	value := &livetest.Value{}
	for {
		m, err := s.NextValue()
		if err != nil {
			s.End(nil)
			return
		}
		out, fault := value.Take(m), rng.IntN(60)
		id := out.GetReply().GetCommandId()
		switch {
		case fault == 0:
			s.End(fmt.Errorf("test: %w", entity.ErrProtocol))
			return
		case out == nil:
			continue
		case fault == 1:
			out = livetest.ValueFailure(id, "test")
		case fault == 2:
			out = livetest.ValueRefusal(id, "test", true)
		case fault == 3:
			out.GetReply().CommandId++
		case fault == 4:
			out.GetReply().StateAction = &cloudstate.ValueEntityAction{}
		case fault == 5:
			if s.SendValue(out) == nil {
				s.End(nil)
			}
			return
		}
		if s.SendValue(out) != nil {
			return
		}
	}
}
