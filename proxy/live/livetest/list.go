// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// typeURL is that of all payloads here. They are texts.
const typeURL = "type.googleapis.com/livetest.Text"

// Text returns s as a payload.
func Text(s string) *anypb.Any { return &anypb.Any{TypeUrl: typeURL, Value: []byte(s)} }

// Reply returns the answer text to command id, with events.
func Reply(id int64, text string, events ...string) *Out {
	r := &cloudstate.EventSourcedReply{
		CommandId: id,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
			Reply: &cloudstate.Reply{Payload: Text(text)},
		}},
	}
	for _, e := range events {
		r.Events = append(r.Events, Text(e))
	}
	return &Out{Message: &cloudstate.EventSourcedStreamOut_Reply{Reply: r}}
}

// Refusal returns an answer that refuses command id.
func Refusal(id int64, description string, restart bool) *Out {
	return &Out{Message: &cloudstate.EventSourcedStreamOut_Reply{Reply: &cloudstate.EventSourcedReply{
		CommandId: id,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
			Failure: &cloudstate.Failure{CommandId: id, Description: description, Restart: restart},
		}},
	}}}
}

// Failure returns the message that says that command id could not be handled.
func Failure(id int64, description string) *Out {
	return &Out{Message: &cloudstate.EventSourcedStreamOut_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: description},
	}}
}

// A List is the state of one instance: its items. The command "Append" adds its
// payload; each command is answered with all items, joined by commas.
type List struct {
	Items     []string
	Snapshots int // there is one after so many events; never, if 0

	last int64 // the last event
}

// Take takes in a message and returns the answer to a command, nil if m is
// none.
func (l *List) Take(m *In) (*Out, error) {
	switch m := m.GetMessage().(type) {
	case *cloudstate.EventSourcedStreamIn_Init:
		if s := m.Init.GetSnapshot(); s != nil {
			l.last = s.GetSnapshotSequence()
			l.Items = strings.Split(string(s.GetSnapshot().GetValue()), ",")
		}
	case *cloudstate.EventSourcedStreamIn_Event:
		if m.Event.GetSequence() != l.last+1 {
			return nil, fmt.Errorf("event %d follows event %d", m.Event.GetSequence(), l.last)
		}
		l.last++
		l.Items = append(l.Items, string(m.Event.GetPayload().GetValue()))
	case *cloudstate.EventSourcedStreamIn_Command:
		return l.handle(m.Command), nil
	}
	return nil, nil
}

func (l *List) handle(c *cloudstate.Command) *Out {
	if c.GetName() != "Append" {
		return Reply(c.GetId(), strings.Join(l.Items, ","))
	}
	item := string(c.GetPayload().GetValue())
	l.Items = append(l.Items, item)
	l.last++
	state := strings.Join(l.Items, ",")
	out := Reply(c.GetId(), state, item)
	if l.Snapshots > 0 && l.last%int64(l.Snapshots) == 0 {
		out.GetReply().Snapshot = Text(state)
	}
	return out
}

// Serve is the function for s with l as state, until the proxy ends s or gives
// it up.
func (l *List) Serve(s *Stream) error {
	for {
		m, err := s.Next()
		if errors.Is(err, io.EOF) {
			s.End(nil)
			return nil
		}
		if err != nil {
			return err
		}
		out, err := l.Take(m)
		if err == nil && out != nil {
			err = s.Send(out)
		}
		if err != nil {
			return err
		}
	}
}
