// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

const anyName = "google.protobuf.Any"

// An event is one that was stored.
type event struct {
	of      *instance
	seq     int
	payload *anypb.Any
}

// A consumer is methods of a service that take the events of a log.
type consumer struct {
	log     string
	group   string
	service string
	methods map[string]string // full names, by those of the events that they take
}

// consumersOf returns what the methods of a service say of events, but for those
// whose replies are streamed.
func consumersOf(service string) (all []*consumer) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	desc, ok := found.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		return nil
	}
	for i := range desc.Methods().Len() {
		m := desc.Methods().Get(i)
		eventing, _ := proto.GetExtension(m.Options(), cloudstate.E_Eventing).(*cloudstate.Eventing)
		source := eventing.GetIn()
		if source.GetEventLog() == "" || m.IsStreamingServer() {
			continue
		}
		var c *consumer
		for _, has := range all {
			if has.log == source.GetEventLog() && has.group == source.GetConsumerGroup() {
				c = has
			}
		}
		if c == nil {
			c = &consumer{source.GetEventLog(), source.GetConsumerGroup(), service, map[string]string{}}
			all = append(all, c)
		}
		c.methods[string(m.Input().FullName())] = fmt.Sprintf("/%s/%s", service, m.Name())
	}
	return all
}

// method returns the one that takes an event, "" if there is none.
func (c *consumer) method(e *anypb.Any) string {
	if m, ok := c.methods[string(e.MessageName())]; ok && !isJSON(e) {
		return m
	}
	return c.methods[anyName]
}

func isJSON(a *anypb.Any) bool { return strings.HasPrefix(a.GetTypeUrl(), "json.cloudstate.io/") }

// tell gives events to their consumers. As behind a proxy, what those answer doesn't
// change the reply; one that refuses an event is not given it again here.
func (p *Proxy) tell(ctx context.Context, events []event, depth int) {
	for _, e := range events {
		log := p.entities[e.of.service].GetPersistenceId()
		for _, c := range p.consumers {
			method := c.method(e.payload)
			if c.log != log || method == "" {
				continue
			}
			p.record(Sent{Method: method, Message: decode(e.payload)[0], Event: true})
			md := fromMD(metadata.Pairs(
				"ce-id", fmt.Sprintf("%s#%d", e.of.id, e.seq), "ce-source", log, "ce-specversion", "1.0",
				"ce-subject", e.of.id, "ce-type", e.payload.GetTypeUrl(), "content-type", "application/vnd.cloudstate.protobuf.any",
			))
			o, err := p.runWith(ctx, method, e.payload, md)
			if err == nil {
				_, err = p.follow(ctx, o, depth+1)
			}
			if err != nil {
				p.log.Info("an event was refused", "method", method, "error", err)
			}
		}
	}
}
