// SPDX-License-Identifier: Apache-2.0

package valueentity_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/valueentity"
)

var key = entity.Key{Entity: "tck.Model/model", ID: "one"}

func payload(s string) entity.Payload {
	return entity.Payload{TypeURL: "type.googleapis.com/tck." + s, Value: []byte(s)}
}

func update(s string) *valueentity.Change {
	p := payload(s)
	return &valueentity.Change{Update: true, Value: &p}
}

func written(version entity.Seq, s string) entity.Write {
	return entity.Write{Key: key, Value: &entity.Value{Version: version, Exists: true, Payload: payload(s)}}
}

// TestAccept has the answers that the cases 48 to 64 of the TCK let a function
// give. The command has id 3.
func TestAccept(t *testing.T) {
	reply := func(s string) entity.Outcome { return entity.Outcome{Reply: payload(s)} }
	forward := entity.Outcome{Forward: &entity.Target{Service: "tck.Two", Command: "Call", Payload: payload("id")}}
	effects := []entity.Effect{
		{Target: entity.Target{Service: "tck.Two", Command: "Call", Payload: payload("1")}},
		{Target: entity.Target{Service: "tck.Two", Command: "Call", Payload: payload("2")}, Synchronous: true},
	}
	refusal := &entity.Refusal{Description: "no"}
	none := entity.Write{Key: key}
	for _, tt := range []struct {
		name string
		last entity.Seq
		msg  valueentity.Message
		want instance.Decision
	}{
		{"a reply", 0, valueentity.Message{Outcome: reply("")}, instance.Decision{Outcome: reply(""), Write: none}},
		{"no client action", 7, valueentity.Message{}, instance.Decision{Write: none}},
		{
			"the first update", 0, valueentity.Message{Outcome: reply("A"), Change: update("A")},
			instance.Decision{Outcome: reply("A"), Write: written(1, "A")},
		},
		{
			"an update without a client action", 7, valueentity.Message{Change: update("A")},
			instance.Decision{Write: written(8, "A")},
		},
		{
			"an update with an empty payload", 1, valueentity.Message{Change: &valueentity.Change{Update: true, Value: &entity.Payload{}}},
			instance.Decision{Write: entity.Write{Key: key, Value: &entity.Value{Version: 2, Exists: true}}},
		},
		{
			"a deletion", 5, valueentity.Message{Outcome: reply(""), Change: &valueentity.Change{Delete: true}},
			instance.Decision{Outcome: reply(""), Write: entity.Write{Key: key, Value: &entity.Value{Version: 6}}},
		},
		{
			"a forward with an update and effects", 2,
			valueentity.Message{Outcome: entity.Outcome{Forward: forward.Forward, Effects: effects}, Change: update("A")},
			instance.Decision{Outcome: entity.Outcome{Forward: forward.Forward, Effects: effects}, Write: written(3, "A")},
		},
		{
			"a refusal", 3, valueentity.Message{Refused: &valueentity.Failure{Description: "no"}},
			instance.Decision{Outcome: entity.Outcome{Err: refusal}},
		},
		{
			"a refusal with effects", 3,
			valueentity.Message{Refused: &valueentity.Failure{Description: "no"}, Outcome: entity.Outcome{Effects: effects}},
			instance.Decision{Outcome: entity.Outcome{Err: refusal, Effects: effects}},
		},
		{
			"a refusal that asks for a restart", 3,
			valueentity.Message{Refused: &valueentity.Failure{Description: "no", Restart: true}, Change: update("A")},
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
		msg  valueentity.Message
	}{
		{"an empty message", valueentity.Message{}},
		{"an id that was never given", valueentity.Message{Replied: true, CommandID: 4}},
		{"the id of the command before", valueentity.Message{Replied: true, CommandID: 2, Change: update("A")}},
		{"no id", valueentity.Message{Replied: true}},
		{"an empty state action", valueentity.Message{Replied: true, CommandID: 3, Change: &valueentity.Change{}}},
		{"an update without a value", valueentity.Message{Replied: true, CommandID: 3, Change: &valueentity.Change{Update: true}}},
		{
			"a refusal with an update that asks for no restart",
			valueentity.Message{Replied: true, CommandID: 3, Refused: &valueentity.Failure{}, Change: update("A")},
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
		msg := valueentity.Message{Failed: &valueentity.Failure{CommandID: id, Description: "null pointer"}}
		_, err := msg.Accept(key, 5, 3)
		crash, ok := errors.AsType[*entity.Crash](err)
		if !ok || crash.Description != "null pointer" {
			t.Errorf("id %d: error %v", id, err)
		}
	}
}
