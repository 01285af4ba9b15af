// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

var errMoving = errors.New("it is to move")

// A shaken says what was done to the instance because its shard moves, or the
// proxy stops.
type shaken struct {
	stopped bool // for good
	bounced bool
	dropped int      // writes that were on their way when everything was dropped, and are
	late    *Command // was recalled when everything was dropped, and the store has not answered
}

// tooLate brings the answer of the store that nobody waits for any more; whoever
// took it for that to another command would be seen.
func (w *world) tooLate() {
	c := w.late
	w.late = nil
	w.m.Recalled(c, entity.Reply{Key: c.Call.Key, Method: method(c), Payload: entity.Payload{Value: encode([]int{0})}}, true, nil, w.now)
}

// moving adds what happens to an instance whose shard is to move, or was lost.
func (w *world) moving(steps map[string]func()) {
	if w.late != nil {
		steps["recalled too late"] = w.tooLate
	}
	if w.stopped {
		return
	}
	if !w.bounced {
		steps["bounce"] = func() {
			w.bounced = true
			w.m.Bounce(errMoving, w.now)
			if n := w.m.Waiting(); n > 0 {
				w.t.Fatalf("%d commands wait although all were given back", n)
			}
		}
		return
	}
	steps["stay"] = func() { w.bounced = false; w.m.Stay(w.now) }
	steps["drop"] = func() { w.drop() }
}

// drop is the end of all that is under way; writes that have been sent may still
// be stored.
func (w *world) drop() {
	w.dropped = len(w.lane)
	if w.recall != nil {
		w.late, w.recall = w.recall, nil
	}
	w.m.Drop(errMoving, entity.ErrUnknownOutcome, w.now)
	w.carryOut()
	if w.m.Waiting() > 0 || w.m.Current() != nil || w.m.undecided.len() > 0 || w.m.bytes != 0 {
		w.t.Fatal("something is left after all was dropped")
	}
}

// TestStanding checks what the answer of a member is worth whose lease has run
// out.
func TestStanding(t *testing.T) {
	wrote := entity.Write{Events: []entity.Event{{Seq: 1}}}
	refusal := &entity.Refusal{Description: "no"}
	for _, tt := range []struct {
		name  string
		c     Command
		alive bool
		want  error
	}{
		{"a reply that wrote", Command{Write: wrote}, false, nil},
		{"a reply that wrote nothing", Command{}, false, ErrLapsed},
		{"a refusal", Command{Outcome: entity.Outcome{Err: refusal}}, false, ErrLapsed},
		{"an error of the platform", Command{Outcome: entity.Outcome{Err: entity.ErrDeadline}}, false, entity.ErrDeadline},
		{"a reply while the lease is alive", Command{}, true, nil},
		{"a refusal while the lease is alive", Command{Outcome: entity.Outcome{Err: refusal}}, true, refusal},
	} {
		if got := tt.c.Standing(tt.alive).Err; !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
