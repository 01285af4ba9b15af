// SPDX-License-Identifier: Apache-2.0

// Package sdktest runs a user function in memory, for tests: a [Proxy] plays
// the proxy's part without a network and with a store that is a slice.
//
// It is a connection that generated clients take, so a test calls an entity or an
// action as any client would, streamed methods included:
//
//	proxy := sdktest.New(t, carts())
//	cart := shop.NewShoppingCartClient(proxy)
//	_, err := cart.AddItem(t.Context(), &shop.AddItemRequest{UserId: "ann", ...})
//
// The function is really served: requests, events, values, snapshots and replies
// are encoded and decoded as they are behind a proxy. [Proxy.Passivate] makes
// every instance start anew from what is stored, which shows whether that says
// all that there is to know.
//
// A CRDT has no others to agree with, unless [Proxy.Replicate] says what they do.
//
// A refused command is a status error with code Unknown and the refusal's text,
// a fault of the function one with code Internal. After a fault, or a refusal
// of a command that had emitted events, the instance starts anew. Effects and
// forwards to entities and unary actions of the same function are carried out,
// in order and before the reply, and events are given to unary methods of it that
// consume them; all of that is recorded, see [Proxy.Sent].
package sdktest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/sdk"
)

// A Proxy plays the proxy's part. Its methods may be called at once.
type Proxy struct {
	log      *slog.Logger
	function services
	entities map[string]*cloudstate.Entity // by service

	consumers []*consumer

	mu        sync.Mutex           // protects what follows
	instances map[string]*instance // by persistence id and key
	streams   map[streamedCall]bool
	sent      []Sent
}

// Sent is a command that a command of the function asked for, as a forward or
// an effect, or led to by an event.
type Sent struct {
	Method      string // full name, such as /shop.ShoppingCart/AddItem
	Message     proto.Message
	Forward     bool // instead of a reply
	Event       bool // that the method consumes
	Synchronous bool // an effect that the reply waits for
}

// New returns a proxy for a function with these entities. What is wrong with
// them ends the test. Logs go to the test's log.
func New(t testing.TB, entities ...sdk.Entity) *Proxy {
	t.Helper()
	p, err := Open(slog.New(slog.NewTextHandler(t.Output(), nil)), entities...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Open returns a proxy outside of a test, for examples and experiments, which
// has to be closed. If log is nil, slog's default is used.
func Open(log *slog.Logger, entities ...sdk.Entity) (*Proxy, error) {
	if log == nil {
		log = slog.Default()
	}
	server, err := sdk.NewServer(log, entities...)
	if err != nil {
		return nil, err
	}
	var function services
	server.Register(&function)
	ctx := context.Background() //nolint:forbidigo // discovery answers at once
	spec, err := function.discovery.Discover(ctx, &cloudstate.ProxyInfo{
		ProtocolMinorVersion: 2,
		ProxyName:            "sdktest",
		SupportedEntityTypes: []string{actionType, crdtType, eventSourcedType, valueEntityType},
	})
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		log:       log,
		function:  function,
		entities:  map[string]*cloudstate.Entity{},
		instances: map[string]*instance{},
		streams:   map[streamedCall]bool{},
	}
	for _, e := range spec.GetEntities() {
		p.entities[e.GetServiceName()] = e
		p.consumers = append(p.consumers, consumersOf(e.GetServiceName())...)
	}
	return p, nil
}

const (
	actionType       = "cloudstate.action.ActionProtocol"
	crdtType         = "cloudstate.crdt.Crdt"
	eventSourcedType = "cloudstate.eventsourced.EventSourced"
	valueEntityType  = "cloudstate.valueentity.ValueEntity"
)

// services takes what a function registers with a gRPC server.
type services struct {
	discovery    cloudstate.EntityDiscoveryServer
	action       cloudstate.ActionProtocolServer
	crdt         cloudstate.CrdtServer
	eventSourced cloudstate.EventSourcedServer
	valueEntity  cloudstate.ValueEntityServer
}

// RegisterService keeps a service.
func (s *services) RegisterService(_ *grpc.ServiceDesc, impl any) {
	switch impl := impl.(type) {
	case cloudstate.EntityDiscoveryServer:
		s.discovery = impl
	case cloudstate.ActionProtocolServer:
		s.action = impl
	case cloudstate.CrdtServer:
		s.crdt = impl
	case cloudstate.EventSourcedServer:
		s.eventSourced = impl
	case cloudstate.ValueEntityServer:
		s.valueEntity = impl
	}
}

// Passivate ends the streams of all instances. The next command of each makes
// it anew from what is stored.
func (p *Proxy) Passivate() {
	p.mu.Lock()
	all := make([]*instance, 0, len(p.instances))
	for _, i := range p.instances {
		all = append(all, i)
	}
	p.mu.Unlock()
	for _, i := range all {
		i.passivate()
	}
}

// Close ends what runs: streamed calls, whose clients go away, and instances.
func (p *Proxy) Close() {
	p.mu.Lock()
	all := make([]streamedCall, 0, len(p.streams))
	for s := range p.streams {
		all = append(all, s)
	}
	p.mu.Unlock()
	for _, s := range all {
		s.stop()
	}
	p.Passivate()
}

// A streamedCall is one that is under way.
type streamedCall interface {
	// stop lets the client go away, and waits until all is over.
	stop()
}

// Events returns the stored events of an instance, oldest first.
func (p *Proxy) Events(persistenceID, id string) []proto.Message {
	i := p.find(persistenceID, id, eventSourcedType)
	i.mu.Lock()
	defer i.mu.Unlock()
	return decode(i.events[i.erased:]...)
}

// Snapshot returns the last snapshot of an instance, or nil, and how many
// events it contains.
func (p *Proxy) Snapshot(persistenceID, id string) (snapshot proto.Message, events int) {
	i := p.find(persistenceID, id, eventSourcedType)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.snapshot == nil {
		return nil, 0
	}
	return decode(i.snapshot.GetSnapshot())[0], int(i.snapshot.GetSnapshotSequence())
}

// Value returns the stored value of an instance, or nil.
func (p *Proxy) Value(persistenceID, id string) proto.Message {
	i := p.find(persistenceID, id, valueEntityType)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.value == nil {
		return nil
	}
	return decode(i.value)[0]
}

// Sent returns all forwards, effects and events so far.
func (p *Proxy) Sent() []Sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// Replicate lets an instance of a CRDT know what has been done elsewhere.
func (p *Proxy) Replicate(service, id string, done *cloudstate.CrdtDelta) {
	p.find(service, id, crdtType).hear(done)
}

// find returns an instance. If no entity of that type has that persistence id,
// which is the name of the service if there is none, the test is wrong.
func (p *Proxy) find(persistenceID, id, entityType string) *instance {
	for _, e := range p.entities {
		if e.GetPersistenceId() == persistenceID && e.GetEntityType() == entityType {
			return p.instance(e, id)
		}
	}
	panic(fmt.Sprintf("sdktest: no entity of the function has the persistence id %q and the type %s", persistenceID, entityType))
}

// decode returns what the payloads contain, and those themselves that are JSON.
// The function made the others from messages, so their types are linked.
func decode(payloads ...*anypb.Any) []proto.Message {
	var messages []proto.Message
	for _, a := range payloads {
		if isJSON(a) {
			messages = append(messages, proto.CloneOf(a))
			continue
		}
		m, err := a.UnmarshalNew()
		if err != nil {
			panic(fmt.Sprintf("sdktest: decode %s: %v", a.GetTypeUrl(), err))
		}
		messages = append(messages, m)
	}
	return messages
}

func (p *Proxy) instance(e *cloudstate.Entity, id string) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := e.GetPersistenceId() + " " + id // a persistence id has no spaces
	if p.instances[key] == nil {
		p.instances[key] = newInstance(&p.function, e, id)
	}
	return p.instances[key]
}
