// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A replica is the state of one key of a CRDT while it has a stream.
type replica struct {
	activation
	entities map[string]*crdt // by service
	entity   *crdt            // nil before the init
	state    any
	data     Data // of the state
	deleted  bool

	watches []*watch // the streamed commands that go on, in their order
}

// take handles one message. An error is a fault: the state can't be trusted.
func (r *replica) take(in *cloudstate.CrdtStreamIn) (*batch, error) {
	if init := in.GetInit(); init != nil {
		return nil, r.init(init)
	}
	if r.entity == nil {
		return nil, errors.New("the proxy sent a message before the init")
	}
	switch m := in.GetMessage().(type) {
	case *cloudstate.CrdtStreamIn_Command:
		return r.command(m.Command)
	case *cloudstate.CrdtStreamIn_Delta:
		return r.replicated(m.Delta)
	case *cloudstate.CrdtStreamIn_StreamCancelled:
		return r.cancelled(m.StreamCancelled)
	case *cloudstate.CrdtStreamIn_Delete:
		r.end()
		return nil, nil
	default:
		return nil, errors.New("the proxy sent an empty message")
	}
}

func (r *replica) init(m *cloudstate.CrdtInit) error {
	if r.entity != nil {
		return errors.New("the proxy sent a second init")
	}
	e := r.entities[m.GetServiceName()]
	if e == nil {
		return fmt.Errorf("no CRDT serves %q", m.GetServiceName())
	}
	r.entity, r.service, r.id = e, e.name, m.GetEntityId()
	r.state, r.data = e.create(r.id)
	switch {
	case r.data == nil:
		return fmt.Errorf("the function Data of the CRDT %s returned nil for %q", e.name, r.id)
	case m.GetDelta() == nil:
		return nil
	}
	return r.data.apply(m.GetDelta())
}

// end gives up what has been deleted. The proxy will say no more of it.
func (r *replica) end() { r.deleted, r.watches = true, nil }

// replicated applies what others have done.
func (r *replica) replicated(d *cloudstate.CrdtDelta) (*batch, error) {
	if r.deleted {
		return nil, nil
	}
	if err := r.data.apply(d); err != nil {
		return nil, err
	}
	out := &batch{}
	return out, r.changed(out)
}

func (r *replica) command(m *cloudstate.Command) (*batch, error) {
	if err := r.takes(m); err != nil {
		return nil, err
	}
	method := r.entity.methods[m.GetName()]
	switch {
	case method == nil:
		return r.refuse(m, r.unknown(m)), nil
	case method.streams() && !m.GetStreamed():
		return r.refuse(m, fmt.Errorf("the command %s of %s has many replies, and was called for one", method.name, r.service)), nil
	case r.deleted:
		return r.refuse(m, fmt.Errorf("%q of %s has been deleted", r.id, r.service)), nil
	}
	w := &watch{id: m.GetId(), method: method, metadata: m.GetMetadata()}
	c := &command{method: method, owner: owner{replica: &turn{replica: r, watch: w}}}
	reply, refused, err := r.run(c, r.state, m)
	switch {
	case err != nil:
		return nil, err
	case refused != nil:
		r.data.settle(false)
		return r.refuse(m, refused), nil
	}
	out := &cloudstate.CrdtReply{CommandId: m.GetId(), SideEffects: c.effects, Streamed: w.goesOn()}
	if out.ClientAction, err = clientActionOf(c, reply); err != nil {
		return nil, err
	}
	var changed bool
	out.StateAction, changed = r.store(c.replica)
	b := &batch{{Message: &cloudstate.CrdtStreamOut_Reply{Reply: out}}}
	if changed {
		err = r.changed(b)
	}
	if w.goesOn() && !r.deleted {
		r.watches = append(r.watches, w) // only now: it has just seen the state
	}
	return b, err
}

func (r *replica) refuse(m *cloudstate.Command, err error) *batch {
	return &batch{{Message: &cloudstate.CrdtStreamOut_Reply{Reply: &cloudstate.CrdtReply{
		CommandId: m.GetId(), ClientAction: refusal(m.GetId(), err, false),
	}}}}
}

// clientActionOf returns what the client of a command gets, nil if nothing. Only
// streamed commands may have nothing to say.
func clientActionOf(c *command, reply proto.Message) (*cloudstate.ClientAction, error) {
	if c.method.streams() && c.forward == nil && (reply == nil || !reply.ProtoReflect().IsValid()) {
		return nil, nil
	}
	if c.forward != nil && reply == nil {
		return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{Forward: c.forward}}, nil
	}
	return (&clientAction{}).of(c, reply)
}

// store returns what is to be done with the data in the end of a command, if
// anything is, and whether it looks different now.
func (r *replica) store(t *turn) (action *cloudstate.CrdtStateAction, changed bool) {
	action = &cloudstate.CrdtStateAction{WriteConsistency: t.consistency}
	delta := r.data.pending(false)
	r.data.settle(true)
	switch {
	case t.deleted:
		r.end()
		action.Action = &cloudstate.CrdtStateAction_Delete{Delete: &cloudstate.CrdtDelete{}}
		return action, false
	case delta != nil:
		action.Action = &cloudstate.CrdtStateAction_Update{Update: delta}
		return action, true
	}
	return nil, false
}

// changed adds to out what is sent in the streamed commands, since the data has
// changed.
func (r *replica) changed(out *batch) error {
	for _, w := range slices.Clone(r.watches) {
		m, err := r.tell(w)
		if err != nil {
			return err
		}
		if m.GetClientAction() != nil || m.GetEndStream() || len(m.GetSideEffects()) > 0 {
			*out = append(*out, &cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_StreamedMessage{StreamedMessage: m}})
		}
		if m.GetEndStream() {
			r.forget(w)
		}
	}
	return nil
}

// tell lets a streamed command say what it sends.
func (r *replica) tell(w *watch) (*cloudstate.CrdtStreamedMessage, error) {
	m := &cloudstate.CrdtStreamedMessage{CommandId: w.id}
	if w.changed == nil {
		return m, nil
	}
	c := &command{method: w.method, owner: owner{replica: &turn{replica: r, watch: w, watching: true}}}
	reply, refused := r.ask(w, c)
	switch {
	case c.misuse != nil:
		return nil, c.misuse
	case r.data.pending(false) != nil:
		return nil, fmt.Errorf("a function given to sdk.OnChange by %s changed the data; it may only look", w.method.name)
	case refused != nil:
		return w.failed(refused), nil
	}
	m.SideEffects, m.EndStream = c.effects, c.replica.last
	var err error
	m.ClientAction, err = clientActionOf(c, reply)
	return m, err
}

func (r *replica) ask(w *watch, c *command) (reply proto.Message, refused error) {
	r.handle(c, nil, w.metadata, func() { reply, refused = w.changed(c) })
	return reply, refused
}

// cancelled handles that the client of a streamed command has gone. The proxy
// waits for the answer, so there is one even if nobody knows the command.
func (r *replica) cancelled(m *cloudstate.StreamCancelled) (*batch, error) {
	out := &cloudstate.CrdtStreamCancelledResponse{CommandId: m.GetId()}
	b := &batch{{Message: &cloudstate.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: out}}}
	i := slices.IndexFunc(r.watches, func(w *watch) bool { return w.id == m.GetId() })
	if i < 0 {
		return b, nil
	}
	w := r.watches[i]
	r.forget(w)
	if w.cancelled == nil {
		return b, nil
	}
	c := &command{method: w.method, owner: owner{replica: &turn{replica: r, watch: w, cancelling: true}}}
	r.handle(c, nil, w.metadata, func() { w.cancelled(c) })
	if c.misuse != nil {
		return nil, c.misuse
	}
	out.SideEffects = c.effects
	var changed bool
	if out.StateAction, changed = r.store(c.replica); !changed {
		return b, nil
	}
	return b, r.changed(b)
}

// forget ends a streamed command.
func (r *replica) forget(w *watch) {
	r.watches = slices.DeleteFunc(r.watches, func(o *watch) bool { return o == w })
}
