// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"strings"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// ValueIn is what the proxy sends to a value entity.
type ValueIn = cloudstate.ValueEntityStreamIn

// ValueOut is what a value entity sends.
type ValueOut = cloudstate.ValueEntityStreamOut

// NextValue is as Next, for a value entity.
func (s *Stream) NextValue() (*ValueIn, error) { return next(s, &ValueIn{}) }

// SendValue is as Send, for a value entity.
func (s *Stream) SendValue(m *ValueOut) error { return s.send(m) }

// ValueReply returns the answer text to command id, which does nothing to the
// state.
func ValueReply(id int64, text string) *ValueOut {
	return &ValueOut{Message: &cloudstate.ValueEntityStreamOut_Reply{Reply: &cloudstate.ValueEntityReply{
		CommandId: id,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
			Reply: &cloudstate.Reply{Payload: Text(text)},
		}},
	}}}
}

// Update returns the answer text to command id, which makes text the state.
func Update(id int64, text string) *ValueOut {
	m := ValueReply(id, text)
	m.GetReply().StateAction = &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Update{
		Update: &cloudstate.ValueEntityUpdate{Value: Text(text)},
	}}
	return m
}

// Deletion returns the answer text to command id, which deletes the state.
func Deletion(id int64, text string) *ValueOut {
	m := ValueReply(id, text)
	m.GetReply().StateAction = &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Delete{
		Delete: &cloudstate.ValueEntityDelete{},
	}}
	return m
}

// ValueRefusal returns an answer that refuses command id.
func ValueRefusal(id int64, description string, restart bool) *ValueOut {
	return &ValueOut{Message: &cloudstate.ValueEntityStreamOut_Reply{Reply: &cloudstate.ValueEntityReply{
		CommandId: id,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
			Failure: &cloudstate.Failure{CommandId: id, Description: description, Restart: restart},
		}},
	}}}
}

// ValueFailure returns the message that says that command id could not be
// handled.
func ValueFailure(id int64, description string) *ValueOut {
	return &ValueOut{Message: &cloudstate.ValueEntityStreamOut_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: description},
	}}
}

// A Value is the state of one instance of a value entity: its items, joined by
// commas. Each command adds its payload and is answered with the state.
type Value struct {
	Items []string
}

// Take takes in a message and returns the answer to a command, nil if m is
// none.
func (v *Value) Take(m *ValueIn) *ValueOut {
	if s := m.GetInit().GetState().GetValue(); s != nil {
		v.Items = strings.Split(string(s.GetValue()), ",")
	}
	c := m.GetCommand()
	if c == nil {
		return nil
	}
	v.Items = append(v.Items, string(c.GetPayload().GetValue()))
	return Update(c.GetId(), strings.Join(v.Items, ","))
}
