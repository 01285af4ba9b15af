// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// The entity types of the protocol: the full names of the services that a
// function implements to serve them.
const (
	Action       = "cloudstate.action.ActionProtocol"
	ValueEntity  = "cloudstate.valueentity.ValueEntity"
	EventSourced = "cloudstate.eventsourced.EventSourced"
	CRDT         = "cloudstate.crdt.Crdt"
)

// A Catalogue is what a user function serves, found to be right. It never
// changes.
type Catalogue struct {
	service  *cloudstate.ServiceInfo
	files    *protoregistry.Files
	entities []*Entity
	paths    map[string]*Method            // by path
	commands map[string]map[string]*Method // by service, then name
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

	Descriptor protoreflect.MethodDescriptor

	key *keyReader // nil for actions, which have no key
}

// Key returns the entity key of the request msg, or "" for an action. An error
// wraps [entity.ErrInvalid], and names the message and the field.
func (m *Method) Key(msg []byte) (string, error) {
	if m.key == nil {
		return "", nil
	}
	return m.key.read(msg)
}
