// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"testing"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// An outbox counts ids and may be full.
type outbox struct {
	n    int64
	full bool
}

func (o *outbox) Next() entity.OutboxID { o.n++; return entity.OutboxID{Member: 7, N: o.n} }

func (o *outbox) Full(entity.Key) bool { return o.full }

// asking returns the answer text to command id, with an effect for each name in
// effects, the loose ones of which must not be kept.
func asking(id int64, event string, forward bool, loose bool, effects ...string) *livetest.Out {
	out := livetest.Reply(id, "ok")
	if event != "" {
		out = livetest.Reply(id, "ok", event)
	}
	r := out.GetReply()
	if forward {
		r.ClientAction = &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{
			Forward: &cloudstate.Forward{ServiceName: "Mail", CommandName: "Forward"},
		}}
	}
	for _, name := range effects {
		e := &cloudstate.SideEffect{ServiceName: "Mail", CommandName: name, Synchronous: true}
		if loose {
			e.Metadata = &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
				{Key: "kairn-effect", Value: &cloudstate.MetadataEntry_StringValue{StringValue: "fire-and-forget"}},
				{Key: "other", Value: &cloudstate.MetadataEntry_StringValue{StringValue: "stays"}},
			}}
		}
		r.SideEffects = append(r.SideEffects, e)
	}
	return out
}

// TestWhatCommandsLeadToIsStored looks at what is stored with a command, and at
// what is left to be carried out once.
func TestWhatCommandsLeadToIsStored(t *testing.T) {
	for name, tt := range map[string]struct {
		event          string
		forward, loose bool
		effects        []string
		key            entity.IdemKey
		rows           int
		left           int // effects that are not kept
		forwardKey     entity.IdemKey
	}{
		"nothing":                      {event: "e"},
		"effects":                      {event: "e", effects: []string{"1", "2"}, rows: 2},
		"effects of a read":            {effects: []string{"1"}, rows: 1},
		"forward":                      {event: "e", forward: true, rows: 1, forwardKey: "fx:7.1"},
		"forward of a read":            {forward: true},
		"forward of a read with a key": {forward: true, key: "idem:1", rows: 1, forwardKey: "fx:7.1"},
		"forward and effects":          {forward: true, effects: []string{"1"}, rows: 2, forwardKey: "fx:7.2"},
		"effects that are not kept":    {event: "e", loose: true, effects: []string{"1", "2"}, left: 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				c := r.submit("a", "x", keyed(tt.key), func(c *entity.Call) {
					c.Depth, c.Metadata = 3, entity.Metadata{{Name: "traceparent", Value: "00-1"}, {Name: "x", Value: "y"}}
				})
				s := r.accept()
				s.command(1, "x")
				s.send(asking(1, tt.event, tt.forward, tt.loose, tt.effects...))
				o := <-c.out
				if o.Err != nil || len(o.Effects) != tt.left || (o.Forward != nil) != tt.forward || o.ForwardKey != tt.forwardKey {
					t.Errorf("outcome %+v", o)
				}
				for _, e := range o.Effects {
					if len(e.Meta) != 1 || e.Meta[0].Name != "other" {
						t.Errorf("effect has metadata %v", e.Meta)
					}
				}
				if len(c.cmd.Write.Outbox) != tt.rows {
					t.Errorf("%d rows go on, want %d", len(c.cmd.Write.Outbox), tt.rows)
				}
				wantRows(t, r, tt.rows)
				r.ending(s)
			}, boxed(&outbox{}), remembering(16))
		})
	}
}

func boxed(o *outbox) func(*live.Config) { return func(cfg *live.Config) { cfg.Outbox = o } }

// wantRows wants that n rows are stored, with what each has of its command.
func wantRows(t *testing.T, r *rig, n int) {
	t.Helper()
	found := 0
	for row, err := range r.store.Outbox(t.Context(), 0, shard.Count-1) {
		if err != nil {
			t.Fatal(err)
		}
		found++
		trace := entity.Metadata{{Name: "traceparent", Value: "00-1"}}
		if row.Depth != 4 || row.Source.ID != "a" || row.Target.Service != "Mail" || len(row.Target.Meta) != 1 || row.Target.Meta[0] != trace[0] {
			t.Errorf("row is %+v", row)
		}
	}
	if found != n {
		t.Errorf("%d rows are stored, want %d", found, n)
	}
}

// TestFullOutboxRefusesCommands checks that nothing of a command is stored whose
// effects can't be kept, and that the function forgets it too.
func TestFullOutboxRefusesCommands(t *testing.T) {
	box := &outbox{full: true}
	bubble(t, func(_ *testing.T, r *rig) {
		c := r.submit("a", "x")
		s := r.accept()
		s.command(1, "x")
		s.send(asking(1, "e", false, false, "1"))
		c.failed(entity.ErrOverloaded)
		wantRows(r.t.(*testing.T), r, 0)
		again := r.accept() // without the event
		again.quiet()
		c = r.submit("a", "y")
		again.command(1, "y")
		again.send(asking(1, "e", false, false))
		c.replied("ok")
		r.ending(s, again)
	}, boxed(box))
}

// TestRepeatedCommandHasItsEffectsOnce checks that one that comes again leads to
// nothing, but for the forward under its key.
func TestRepeatedCommandHasItsEffectsOnce(t *testing.T) {
	for _, recent := range []int{0, 16} {
		bubble(t, func(t *testing.T, r *rig) {
			var streams []part
			c := r.submit("a", "x", keyed("idem:1"))
			streams = append(streams, r.accept())
			streams[0].command(1, "x")
			streams[0].send(asking(1, "e", true, false, "1"))
			first := <-c.out
			c = r.submit("a", "x", keyed("idem:1"))
			if recent == 0 {
				streams[0].command(2, "x")
				streams[0].send(asking(2, "e", true, false, "1"))
			}
			second := <-c.out
			if second.Err != nil || second.Forward == nil || second.ForwardKey != first.ForwardKey || len(c.cmd.Write.Outbox) > 0 {
				t.Errorf("outcome %+v, then %+v with %d rows", first, second, len(c.cmd.Write.Outbox))
			}
			rows := 0
			for range r.store.Outbox(t.Context(), 0, shard.Count-1) { //nolint:errcheck // of a store in memory
				rows++
			}
			if rows != 2 || len(r.stored("a")) != 1 {
				t.Errorf("%d rows and %d events are stored", rows, len(r.stored("a")))
			}
			r.ending(streams...)
		}, boxed(&outbox{}), remembering(recent))
	}
}

// TestConsumersAreNoted wants one row for each consumer of the events of a command.
func TestConsumersAreNoted(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		e := *lists
		e.Consumers = []*route.Consumer{{Service: "Mail"}, {Service: "Mail", Group: "g"}}
		c := r.submitTo(&e, "a", "x")
		s := r.accept()
		s.command(1, "x")
		s.send(livetest.Reply(1, "ok", "1", "2"))
		<-c.out
		rows := c.cmd.Write.Outbox
		if len(rows) != 2 {
			t.Fatalf("%d rows, want 2", len(rows))
		}
		for i, row := range rows {
			if row.Kind != entity.EventNotice || row.After != 0 || row.Seq != 2 || row.Target.Command != e.Consumers[i].Group || row.Depth != 1 {
				t.Errorf("row %+v", row)
			}
		}
		r.ending(s)
	}, boxed(&outbox{}))
}
