// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Where the options of a method say what connects it to topics and event logs.
const (
	eventingOption    protowire.Number = 1081
	oldEventingOption protowire.Number = 50003
	eventingOfMethod  protowire.Number = 1 // of the annotation of later generations
)

const anyURL = typePrefix + "google.protobuf.Any"

// A Consumer is methods of one service that take the events of an event log:
// those with the same group. It must not be changed.
type Consumer struct {
	Service string // full name of the service
	Group   string // may be empty
	Log     string // persistence id of the entities whose events it takes

	methods map[string]*Method // by the type URL of the event
	any     *Method            // for events of other types; nil if there is none
}

// Method returns the method that takes events of a type, or nil if there is none.
func (c *Consumer) Method(typeURL string) *Method {
	if m := c.methods[typeURL]; m != nil {
		return m
	}
	return c.any
}

// Consumers returns those who take events, in the order in which they were
// declared.
func (c *Catalogue) Consumers() []*Consumer { return slices.Clone(c.consumers) }

// A subscription is where a method takes events from.
type subscription struct {
	method     *Method
	group, log string
	old        bool // as the first libraries said it: with one name for topics and event logs
}

// eventing looks at what the options of a method say of events. What can't be
// done is refused: a function must not wait for events that never come, nor
// believe that its own arrive somewhere.
func (p *parser) eventing(m *Method) {
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m.Descriptor.Options())
	if err != nil {
		return
	}
	var now, old []byte
	eachField(raw, func(num protowire.Number, _ uint64, content []byte) {
		switch num {
		case eventingOption:
			now = append(now, content...)
		case oldEventingOption:
			old = append(old, content...)
		}
	})
	if p.dialect.Components {
		now, _ = annotated(m.Descriptor, eventingOfMethod)
	}
	const in, out = 1, 2
	eachField(now, func(num protowire.Number, _ uint64, content []byte) {
		switch num {
		case in:
			p.source(m, content)
		case out:
			p.fail("method %s/%s: it publishes its replies: this is not supported", m.Service, m.Name)
		}
	})
	eachField(old, func(num protowire.Number, _ uint64, content []byte) {
		switch name := string(content); {
		case num == in && name != "":
			p.sources = append(p.sources, subscription{method: m, log: name, old: true})
		case num == out && name != "" && name != "discard":
			p.fail("method %s/%s: it publishes its replies to %q: this is not supported", m.Service, m.Name, name)
		}
	})
}

// source takes in where the events of m come from.
func (p *parser) source(m *Method, msg []byte) {
	const group, topic, log = 1, 2, 3
	s := subscription{method: m}
	refused := false
	eachField(msg, func(num protowire.Number, _ uint64, content []byte) {
		switch num {
		case group:
			s.group = string(content)
		case log:
			s.log = string(content)
		case topic:
			p.fail("method %s/%s: it takes messages of topic %q: topics are not supported", m.Service, m.Name, content)
			refused = true
		default:
			p.fail("method %s/%s: it takes events from a source of kind %d: this is not supported", m.Service, m.Name, num)
			refused = true
		}
	})
	switch {
	case refused:
	case s.log == "":
		p.fail("method %s/%s: it takes events and doesn't say from where", m.Service, m.Name)
	default:
		p.sources = append(p.sources, s)
	}
}

// consumers makes the consumers, once all entities are known.
func (p *parser) consumers() {
	if p.blind {
		return
	}
	for i := range p.sources {
		s := &p.sources[i]
		m := s.method
		logs := slices.DeleteFunc(slices.Clone(p.cat.entities), func(e *Entity) bool {
			return e.Type != EventSourced || e.PersistenceID != s.log
		})
		switch {
		case len(logs) == 0 && s.old:
			p.fail("method %s/%s: it takes messages of %q, which is no event log: topics are not supported", m.Service, m.Name, s.log)
			continue
		case len(logs) == 0:
			p.fail("method %s/%s: there is no event sourced entity with persistence id %q, whose events it takes", m.Service, m.Name, s.log)
			continue
		case m.ClientStreams:
			p.fail("method %s/%s: events can't be streamed to it", m.Service, m.Name)
			continue
		}
		p.consumer(s, logs).add(p, m)
	}
}

// consumer returns the consumer of s, which is one of those of logs.
func (p *parser) consumer(s *subscription, logs []*Entity) *Consumer {
	service := s.method.Service
	for _, c := range p.cat.consumers {
		if c.Service == service && c.Group == s.group && c.Log == s.log {
			return c
		}
	}
	c := &Consumer{Service: service, Group: s.group, Log: s.log, methods: map[string]*Method{}}
	p.cat.consumers = append(p.cat.consumers, c)
	for _, e := range logs {
		e.Consumers = append(e.Consumers, c)
	}
	return c
}

func (c *Consumer) add(p *parser, m *Method) {
	has := c.methods[m.InputURL]
	if m.InputURL == anyURL {
		has = c.any
	}
	switch {
	case has != nil:
		p.fail("methods %s and %s of service %s take the same events of %q", has.Name, m.Name, m.Service, c.Log)
	case m.InputURL == anyURL:
		c.any = m
	default:
		c.methods[m.InputURL] = m
	}
}
