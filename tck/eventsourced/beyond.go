// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/script"
	"github.com/kairn-dev/kairn/tck/single"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Beyond returns the cases beyond the reference.
func Beyond() []suite.Case {
	return single.Cases(&single.Kind[streamIn, streamOut]{
		Names: single.Names{
			Letter:     "K",
			Section:    "Kairn: event sourced functions that misbehave",
			Model:      modelService,
			Configured: configured,
		},
		Methods: single.Methods{
			Handle:         handle,
			Process:        process,
			CallConfigured: callConfigured,
		},
		Streams: func(f *script.Function) *script.EventSourced { return f.EventSourced },
		Request: func(key, value string) proto.Message {
			if value == "" {
				return request(key)
			}
			return request(key, emit(value))
		},
		Answer: func(text string) proto.Message { return answer(text) },
		Kept:   persisted,
		Then:   func(state, value string) string { return state + value },
		Begin: func(service, key string, kept []*anypb.Any) []*streamIn {
			in := []*streamIn{initial(service, key)}
			for i, event := range kept {
				in = append(in, storedAs(int64(i)+1, event))
			}
			return in
		},
		Command: func(c *cloudstate.Command) *streamIn {
			return &streamIn{Message: &cloudstate.EventSourcedStreamIn_Command{Command: c}}
		},
		Reply: func(id int64, a *cloudstate.ClientAction, kept *anypb.Any, effects ...*cloudstate.SideEffect) *streamOut {
			return replyWith(id, a, func(r *cloudstate.EventSourcedReply) {
				r.SideEffects = effects
				if kept != nil {
					r.Events = []*anypb.Any{kept}
				}
			})
		},
		Failed: func(f *cloudstate.Failure) *streamOut {
			return &streamOut{Message: &cloudstate.EventSourcedStreamOut_Failure{Failure: f}}
		},
		Replays: true,
	})
}
