// SPDX-License-Identifier: Apache-2.0

package route

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/dialect"
)

// typePrefix makes a full message name a type URL.
const typePrefix = "type.googleapis.com/"

// Parse makes a Catalogue of what a user function says that it serves. Its
// entity types must be among supported. If anything is wrong with spec, the
// error joins one error for each thing, each a line of text.
func Parse(spec *cloudstate.EntitySpec, supported []string) (*Catalogue, error) {
	return ParseDialect(dialect.FromEntities(spec), supported)
}

// ParseDialect is as [Parse], for a function of any dialect.
func ParseDialect(spec *dialect.Spec, supported []string) (*Catalogue, error) {
	p := parser{
		dialect:   spec.Dialect,
		supported: supported,
		readers:   make(map[protoreflect.FullName]*keyReader),
		cat: &Catalogue{
			dialect:  spec.Dialect,
			service:  proto.CloneOf(spec.Service),
			paths:    make(map[string]*Method),
			commands: make(map[string]map[string]*Method),
		},
	}
	files, errs := load(spec.Proto)
	p.cat.files, p.errs, p.blind = files, errs, len(errs) > 0
	if len(spec.Entities) == 0 {
		p.fail("the user function serves no entities")
	}
	for i := range spec.Entities {
		p.entity(i, &spec.Entities[i])
	}
	p.consumers()
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.cat, nil
}

// A parser collects what Parse finds.
type parser struct {
	dialect   *dialect.Dialect
	supported []string
	cat       *Catalogue
	readers   map[protoreflect.FullName]*keyReader // by message
	blind     bool                                 // the descriptors are no good: nothing can be said about services
	sources   []subscription                       // of the methods that take events
	errs      []error
}

func (p *parser) fail(format string, args ...any) {
	p.errs = append(p.errs, oneLine(fmt.Sprintf(format, args...)))
}

// oneLine makes an error of text, which may be that of a library.
func oneLine(text string) error {
	text = strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\t', '\u00a0': // protobuf-go writes no-break spaces at times
			return ' '
		}
		return r
	}, text)
	return errors.New(strings.ToValidUTF8(text, "\ufffd"))
}

// entity adds the i-th entity of the spec.
func (p *parser) entity(i int, e *dialect.Entity) {
	name := e.Service
	if name == "" {
		p.fail("entity %d has no service name", i+1)
		return
	}
	if p.cat.HasService(name) {
		p.fail("service %s is declared twice", name)
		return
	}
	p.cat.commands[name] = make(map[string]*Method)
	ent := &Entity{
		Service:       name,
		Type:          e.Type,
		Name:          name + "/" + e.PersistenceID,
		PersistenceID: e.PersistenceID,
		Consistency:   e.Consistency,
	}
	if len(e.Headers) > 0 {
		ent.Headers = &Headers{Names: e.Headers}
	}
	p.speech(ent)
	ent.Passivation = p.passivation(e)
	p.cat.entities = append(p.cat.entities, ent)
	if !p.blind {
		p.service(ent)
	}
}

// speech finds out what the function means by the type of an entity.
func (p *parser) speech(ent *Entity) {
	ent.speech = p.dialect.Service(ent.Type)
	if ent.speech != nil && slices.Contains(p.supported, ent.speech.Type) {
		ent.Type = ent.speech.Type
		return
	}
	if what := p.dialect.Refused(ent.Type); what != "" {
		p.fail("service %s is %s: this is not supported", ent.Service, what)
		return
	}
	p.fail("service %s: entity type %q is not supported; supported are %s",
		ent.Service, ent.Type, strings.Join(p.dialect.Names(p.supported), ", "))
}

func (p *parser) passivation(e *dialect.Entity) time.Duration {
	if e.Passivation < 0 {
		p.fail("service %s: passivation timeout of %d ms is negative", e.Service, e.Passivation)
	}
	return time.Duration(min(e.Passivation, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// service adds the methods of an entity's service.
func (p *parser) service(ent *Entity) {
	d, err := p.cat.files.FindDescriptorByName(protoreflect.FullName(ent.Service))
	if err != nil {
		p.fail("service %s is not in the descriptors", ent.Service)
		return
	}
	svc, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		p.fail("service %s is not a service in the descriptors, but something else in file %s",
			ent.Service, d.ParentFile().Path())
		return
	}
	methods := svc.Methods()
	for i := range methods.Len() {
		p.method(ent, methods.Get(i))
	}
}

func (p *parser) method(ent *Entity, d protoreflect.MethodDescriptor) {
	m := &Method{
		Service:       ent.Service,
		Name:          string(d.Name()),
		Path:          "/" + ent.Service + "/" + string(d.Name()),
		Entity:        ent,
		InputURL:      typePrefix + string(d.Input().FullName()),
		OutputURL:     typePrefix + string(d.Output().FullName()),
		ClientStreams: d.IsStreamingClient(),
		ServerStreams: d.IsStreamingServer(),
		Safe:          safe(d),
		Descriptor:    d,
	}
	p.cat.paths[m.Path] = m
	p.cat.commands[ent.Service][m.Name] = m
	if p.dialect.Components {
		p.annotations(m)
	}
	p.eventing(m)

	kind, keyed := map[string]string{
		EventSourced: "an event sourced entity",
		ValueEntity:  "a value entity",
		CRDT:         "a CRDT entity",
	}[ent.Type]
	if !keyed {
		return
	}
	switch {
	case m.ClientStreams:
		p.fail("method %s/%s: requests can't be streamed to %s", m.Service, m.Name, kind)
	case m.ServerStreams && (ent.Type != CRDT || ent.Speech().RepliesOnly):
		p.fail("method %s/%s: replies can't be streamed from %s", m.Service, m.Name, kind)
	}
	if !m.NewKey {
		m.key = p.reader(m, d.Input())
	}
}

// safe reports whether d says that it has no side effects.
func safe(d protoreflect.MethodDescriptor) bool {
	options, _ := d.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// reader returns the reader of entity keys from messages in, of which there is
// one however many methods take them.
func (p *parser) reader(m *Method, in protoreflect.MessageDescriptor) *keyReader {
	if r := p.readers[in.FullName()]; r != nil {
		return r
	}
	r, err := newKeyReader(in, p.dialect.Components)
	if err != nil {
		p.fail("method %s/%s: %v", m.Service, m.Name, err)
		return nil
	}
	p.readers[in.FullName()] = r
	return r
}
