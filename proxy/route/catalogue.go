// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/dialect"
)

// The entity types of the protocol, whatever a function calls them.
const (
	Action       = dialect.Action
	ValueEntity  = dialect.ValueEntity
	EventSourced = dialect.EventSourced
	CRDT         = dialect.CRDT
)

// A Catalogue is what a user function serves, found to be right. It never
// changes.
type Catalogue struct {
	dialect   *dialect.Dialect
	service   *cloudstate.ServiceInfo
	files     *protoregistry.Files
	entities  []*Entity
	consumers []*Consumer
	paths     map[string]*Method            // by path
	commands  map[string]map[string]*Method // by service, then name
}

// Method returns the method that is called by path, "/shop.ShoppingCart/AddItem",
// or nil if there is none.
func (c *Catalogue) Method(path string) *Method { return c.paths[path] }

// Lookup returns the method of service that is named command, or nil if there
// is none.
func (c *Catalogue) Lookup(service, command string) *Method { return c.commands[service][command] }

// HasService reports whether service is that of an entity.
func (c *Catalogue) HasService(service string) bool {
	_, ok := c.commands[service]
	return ok
}

// Entities returns the entities in the order in which they were declared.
func (c *Catalogue) Entities() []*Entity { return slices.Clone(c.entities) }

// Files returns the function's own descriptors.
func (c *Catalogue) Files() *protoregistry.Files { return c.files }

// Dialect returns how the function speaks.
func (c *Catalogue) Dialect() *dialect.Dialect { return c.dialect }

// Service returns a copy of what the function says about itself; it isn't nil.
func (c *Catalogue) Service() *cloudstate.ServiceInfo { return proto.CloneOf(c.service) }

// An Entity is one gRPC service of the function, with state or as an action.
// It must not be changed.
type Entity struct {
	Service string // full name of the gRPC service
	Type    string // one of the entity types of the protocol

	// Name is the entity's name in the store: Service, a slash, and
	// PersistenceID. It has both because functions give the same persistence
	// id to several services.
	Name          string
	PersistenceID string

	// Passivation is how long an instance stays without a command; 0 stands
	// for the default.
	Passivation time.Duration

	// Headers are what commands carry of the metadata of their calls; nil
	// stands for nothing. Actions always get all.
	Headers *Headers

	// Consistency is what every write of a replicated entity has to reach, as a
	// cloudstate.crdt.CrdtWriteConsistency, if replies don't say it.
	Consistency int32

	// Consumers are told of the events of an event sourced entity.
	Consumers []*Consumer

	speech *dialect.Service // nil stands for that of Cloudstate
}

// Speech returns the service of the protocol that the function implements for e.
func (e *Entity) Speech() *dialect.Service {
	if e.speech == nil {
		return dialect.Cloudstate.Of(e.Type)
	}
	return e.speech
}

// A Method is a method of an entity. It must not be changed.
type Method struct {
	Path    string // "/shop.ShoppingCart/AddItem"
	Service string // full name of the service
	Name    string
	Entity  *Entity

	InputURL  string // type URL of the request
	OutputURL string // type URL of a reply

	ClientStreams bool // whether the client sends many requests
	ServerStreams bool // whether the client gets many replies
	Safe          bool // whether it has no side effects, by its idempotency_level

	// NewKey says that each command is for a new instance, whose key is a random
	// UUID: the request has none.
	NewKey bool

	Descriptor protoreflect.MethodDescriptor

	key *keyReader // nil for actions, which have no key, and with NewKey
}

// Key returns the entity key of the request msg, or "" if there is none in it. An error
// wraps [entity.ErrInvalid], and names the message and the field.
func (m *Method) Key(msg []byte) (string, error) {
	if m.key == nil {
		return "", nil
	}
	return m.key.read(msg)
}
