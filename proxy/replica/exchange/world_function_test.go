// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// What the function of a world does.

func (w *world) action() Action {
	if !rapid.Bool().Draw(w.t, "update") {
		return Action{}
	}
	w.value++
	w.total++
	return Action{Update: count(1)}
}

func pick(t *rapid.T, calls map[int64]*Call) int64 {
	ids := make([]int64, 0, len(calls))
	for id := range calls {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(t, "id")
}

func say(msg *Message) *Message {
	msg.Outcome.Reply = entity.Payload{TypeURL: "t"}
	return msg
}

func (w *world) reply() {
	id := pick(w.t, w.have)
	c := w.have[id]
	delete(w.have, id)
	streamed := c.Streamed && rapid.Bool().Draw(w.t, "streamed")
	if streamed {
		w.open[id] = c
	}
	w.m.Received(say(&Message{What: Reply, CommandID: id, Streamed: streamed, Action: w.action()}), w.now)
}

// fail makes the function fail a command.
func (w *world) fail() {
	id := pick(w.t, w.have)
	delete(w.have, id)
	w.m.Received(&Message{What: Failed, CommandID: id, Refused: &wire.Failure{CommandID: id}}, w.now)
}

func (w *world) message() {
	id := pick(w.t, w.open)
	if rapid.IntRange(0, 5).Draw(w.t, "refuse") == 0 {
		msg := &Message{What: StreamedMessage, CommandID: id, Refused: &wire.Failure{}}
		w.m.Received(msg, w.now) // to be canceled for that
		return
	}
	end := rapid.IntRange(0, 3).Draw(w.t, "end") == 0
	if end {
		delete(w.open, id)
	}
	w.m.Received(say(&Message{What: StreamedMessage, CommandID: id, End: end}), w.now)
}

func (w *world) respond() {
	id := pick(w.t, w.cancels)
	late := w.m.calls[id] == nil || w.m.calls[id].phase == lingering
	delete(w.cancels, id)
	delete(w.turn, id)
	msg := &Message{What: CancelledResponse, CommandID: id, Outcome: entity.Outcome{None: true, Effects: make([]entity.Effect, 1)}}
	if !late {
		msg.Action = w.action()
	}
	w.m.Received(msg, w.now)
}
