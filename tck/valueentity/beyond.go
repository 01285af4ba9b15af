// SPDX-License-Identifier: Apache-2.0

package valueentity

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
			Letter:     "V",
			Section:    "Kairn: value entity functions that misbehave",
			Model:      modelService,
			Configured: configured,
		},
		Methods: single.Methods{
			Handle:         handle,
			Process:        process,
			CallConfigured: callConfigured,
		},
		Streams: func(f *script.Function) *script.ValueEntity { return f.ValueEntity },
		Request: func(key, value string) proto.Message {
			if value == "" {
				return request(key)
			}
			return request(key, update(value))
		},
		Answer: func(text string) proto.Message { return answer(text) },
		Kept:   persisted,
		Then:   func(_, value string) string { return value },
		Begin: func(service, key string, kept []*anypb.Any) []*streamIn {
			in := initial(service, key)
			if n := len(kept); n > 0 {
				in.GetInit().GetState().Value = kept[n-1]
			}
			return []*streamIn{in}
		},
		Command: func(c *cloudstate.Command) *streamIn {
			return &streamIn{Message: &cloudstate.ValueEntityStreamIn_Command{Command: c}}
		},
		Reply: func(id int64, a *cloudstate.ClientAction, kept *anypb.Any, effects ...*cloudstate.SideEffect) *streamOut {
			return replyWith(id, a, func(r *cloudstate.ValueEntityReply) {
				r.SideEffects = effects
				if kept != nil {
					r.StateAction = updateTo(kept)
				}
			})
		},
		Failed: func(f *cloudstate.Failure) *streamOut {
			return &streamOut{Message: &cloudstate.ValueEntityStreamOut_Failure{Failure: f}}
		},
	}, single.Nonsense[streamOut]{
		Name:   "update without a value: the client is told, nothing is stored",
		Answer: reply(1, "B", withState(updateTo(nil))),
	}, single.Nonsense[streamOut]{
		Name:   "state action without an action: the client is told, nothing is stored",
		Answer: reply(1, "B", withState(&cloudstate.ValueEntityAction{})),
	})
}

func withState(a *cloudstate.ValueEntityAction) part {
	return func(r *cloudstate.ValueEntityReply) { r.StateAction = a }
}
