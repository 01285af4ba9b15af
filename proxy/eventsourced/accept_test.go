// SPDX-License-Identifier: Apache-2.0

package eventsourced_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventsourced"
	"github.com/kairn-dev/kairn/proxy/instance"
)

var key = entity.Key{Entity: "tck.Model/model", ID: "one"}

func payload(s string) entity.Payload {
	return entity.Payload{TypeURL: "type.googleapis.com/tck." + s, Value: []byte(s)}
}

func snapshot(s string) *entity.Payload {
	p := payload(s)
	return &p
}

func events(first entity.Seq, names ...string) []entity.Event {
	list := make([]entity.Event, len(names))
	for i, s := range names {
		list[i] = entity.Event{Seq: first + entity.Seq(i), Payload: payload(s)}
	}
	return list
}

func payloads(names ...string) []entity.Payload {
	var list []entity.Payload
	for _, s := range names {
		list = append(list, payload(s))
	}
	return list
}

// TestAccept has the answers that the cases 72 to 90 of the TCK let a function
// give, and those that break the protocol. The command has id 3.
func TestAccept(t *testing.T) {
	reply := func(s string) entity.Outcome { return entity.Outcome{Reply: payload(s)} }
	forward := entity.Outcome{Forward: &entity.Target{Service: "tck.Two", Command: "Call", Payload: payload("id")}}
	effects := []entity.Effect{
		{Target: entity.Target{Service: "tck.Two", Command: "Call", Payload: payload("1")}},
		{Target: entity.Target{Service: "tck.Two", Command: "Call", Payload: payload("2")}, Synchronous: true},
	}
	refusal := &entity.Refusal{Description: "no"}
	written := func(s *entity.Snapshot, e []entity.Event) entity.Write {
		return entity.Write{Key: key, Events: e, Snapshot: s}
	}
	for _, tt := range []struct {
		name string
		last entity.Seq
		msg  eventsourced.Message
		want instance.Decision
	}{
		{
			"a reply", 0,
			eventsourced.Message{Outcome: reply("")},
			instance.Decision{Outcome: reply(""), Write: written(nil, nil)},
		},
		{
			"no client action", 7,
			eventsourced.Message{},
			instance.Decision{Write: written(nil, nil)},
		},
		{
			"the first event", 0,
			eventsourced.Message{Outcome: reply("A"), Events: payloads("A")},
			instance.Decision{Outcome: reply("A"), Write: written(nil, events(1, "A"))},
		},
		{
			"several events", 2,
			eventsourced.Message{Outcome: reply("ABC"), Events: payloads("A", "B", "C")},
			instance.Decision{Outcome: reply("ABC"), Write: written(nil, events(3, "A", "B", "C"))},
		},
		{
			"events and a snapshot", 3,
			eventsourced.Message{Outcome: reply("ABCDE"), Events: payloads("D", "E"), Snapshot: snapshot("ABCDE")},
			instance.Decision{
				Outcome: reply("ABCDE"),
				Write:   written(&entity.Snapshot{Seq: 5, Payload: payload("ABCDE")}, events(4, "D", "E")),
			},
		},
		{
			"a snapshot without events", 5,
			eventsourced.Message{Outcome: reply("ABCDE"), Snapshot: snapshot("ABCDE")},
			instance.Decision{
				Outcome: reply("ABCDE"),
				Write:   written(&entity.Snapshot{Seq: 5, Payload: payload("ABCDE")}, nil),
			},
		},
		{
			"a snapshot of nothing", 0,
			eventsourced.Message{Outcome: reply(""), Snapshot: snapshot("")},
			instance.Decision{Outcome: reply(""), Write: written(nil, nil)},
		},
		{
			"a forward with events", 0,
			eventsourced.Message{Outcome: forward, Events: payloads("A")},
			instance.Decision{Outcome: forward, Write: written(nil, events(1, "A"))},
		},
		{
			"a reply with effects", 3,
			eventsourced.Message{Outcome: entity.Outcome{Reply: payload("ABC"), Effects: effects}},
			instance.Decision{Outcome: entity.Outcome{Reply: payload("ABC"), Effects: effects}, Write: written(nil, nil)},
		},
		{
			"a refusal", 3,
			eventsourced.Message{Refused: &eventsourced.Failure{Description: "no"}},
			instance.Decision{Outcome: entity.Outcome{Err: refusal}},
		},
		{
			"a refusal with effects", 3,
			eventsourced.Message{Refused: &eventsourced.Failure{Description: "no"}, Outcome: entity.Outcome{Effects: effects}},
			instance.Decision{Outcome: entity.Outcome{Err: refusal, Effects: effects}},
		},
		{
			"a refusal with a snapshot", 3,
			eventsourced.Message{Refused: &eventsourced.Failure{Description: "no"}, Snapshot: snapshot("ABC")},
			instance.Decision{Outcome: entity.Outcome{Err: refusal}},
		},
		{
			"a deletion", 7,
			eventsourced.Message{Outcome: reply("bye"), Deleted: true},
			instance.Decision{Outcome: reply("bye"), Write: written(&entity.Snapshot{Seq: 7, Deleted: true}, nil), Restart: true},
		},
		{
			"a deletion with events and a snapshot", 7,
			eventsourced.Message{Outcome: reply("bye"), Deleted: true, Events: payloads("A"), Snapshot: snapshot("A")},
			instance.Decision{
				Outcome: reply("bye"), Restart: true,
				Write: written(&entity.Snapshot{Seq: 8, Deleted: true}, events(8, "A")),
			},
		},
		{
			"a deletion of what never was", 0,
			eventsourced.Message{Outcome: reply("bye"), Deleted: true},
			instance.Decision{Outcome: reply("bye"), Write: written(nil, nil), Restart: true},
		},
		{
			"a refusal that asks for a restart", 3,
			eventsourced.Message{Refused: &eventsourced.Failure{Description: "no", Restart: true}, Events: payloads("4", "5")},
			instance.Decision{Outcome: entity.Outcome{Err: refusal}, Restart: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.msg.Replied, tt.msg.CommandID = true, 3
			got, err := tt.msg.Accept(key, tt.last, 3)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("decided %+v\nwant    %+v", got, tt.want)
			}
		})
	}
}

func TestAcceptRefusesWhatBreaksTheProtocol(t *testing.T) {
	for _, tt := range []struct {
		name string
		msg  eventsourced.Message
	}{
		{"an empty message", eventsourced.Message{}},
		{"an id that was never given", eventsourced.Message{Replied: true, CommandID: 4}},
		{"the id of the command before", eventsourced.Message{Replied: true, CommandID: 2}},
		{"no id", eventsourced.Message{Replied: true}},
		{
			"a refusal with events that asks for no restart",
			eventsourced.Message{Replied: true, CommandID: 3, Refused: &eventsourced.Failure{}, Events: payloads("A")},
		},
		{
			"a refusal with a deletion that asks for no restart",
			eventsourced.Message{Replied: true, CommandID: 3, Refused: &eventsourced.Failure{}, Deleted: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := tt.msg.Accept(key, 5, 3)
			if !errors.Is(err, entity.ErrProtocol) {
				t.Errorf("error %v, want %v", err, entity.ErrProtocol)
			}
			if !reflect.DeepEqual(d, instance.Decision{}) {
				t.Errorf("decided %+v besides", d)
			}
		})
	}
}

// TestAcceptPassesOnWhatTheFunctionSaysOfItsFailure checks that the function's
// description reaches the client, whichever id the message has.
func TestAcceptPassesOnWhatTheFunctionSaysOfItsFailure(t *testing.T) {
	for _, id := range []int64{0, 3, 99} {
		msg := eventsourced.Message{Failed: &eventsourced.Failure{CommandID: id, Description: "null pointer"}}
		_, err := msg.Accept(key, 5, 3)
		crash, ok := errors.AsType[*entity.Crash](err)
		if !ok || crash.Description != "null pointer" {
			t.Errorf("id %d: error %v", id, err)
		}
	}
}
