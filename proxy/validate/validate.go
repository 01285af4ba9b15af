// SPDX-License-Identifier: Apache-2.0

// Package validate checks requests by the rules that their messages have, those of
// protovalidate (buf.validate), before the user function gets them.
//
// A [Gate] stands between the edge and what carries calls out, so that it holds
// for every protocol that clients speak. What functions ask for themselves,
// forwards and effects, doesn't come by here. A request that breaks rules ends
// with an [entity.Invalid] that has them all. Of a streamed request each message
// is checked; the first that is wrong ends the call.
//
// Messages without rules, in themselves and in all that they can contain, are
// not decoded: that costs one look into a map, and nothing if the function has
// no rules at all.
package validate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A Carrier carries calls out, as package serve asks for.
type Carrier interface {
	Submit(call entity.Call, done func(entity.Answer))
	Stream(ctx context.Context, call entity.Call, client entity.Exchange) error
}

// A Gate is a Carrier that lets only valid requests through.
type Gate struct {
	next  Carrier
	rules atomic.Pointer[rules]
}

// New returns a Gate before next, which lets everything through until
// [Gate.Use].
func New(next Carrier) *Gate { return &Gate{next: next} }

// rules are those of a catalogue: the methods whose requests have any, by
// service and name.
type rules map[string]map[string]request

// A request is what a method takes. Its rule is nil if it has none.
type request struct {
	*rule
	streamed bool
}

// A rule is all the rules of a message.
type rule struct {
	message protoreflect.MessageDescriptor
	checker protovalidate.Validator
	broken  error // why nothing can be checked by them, if so
}

// Use takes the rules of a catalogue. It returns which of them can't be used,
// each a line of text for the author of the function; requests with their
// messages are refused, since nobody can say whether they keep to the rules.
func (g *Gate) Use(c *route.Catalogue) []string {
	var problems []string
	all := make(rules)
	made := map[protoreflect.FullName]*rule{}
	for m := range methods(c) {
		in := m.Input()
		r, known := made[in.FullName()]
		if !known && hasRules(in, map[protoreflect.FullName]bool{}) {
			r = newRule(c, in)
			if r.broken != nil {
				problems = append(problems, r.broken.Error())
			}
		}
		made[in.FullName()] = r
		if r == nil {
			continue
		}
		service := string(m.Parent().FullName())
		if all[service] == nil {
			all[service] = make(map[string]request)
		}
		all[service][string(m.Name())] = request{r, m.IsStreamingClient()}
	}
	g.rules.Store(&all)
	return problems
}

func newRule(c *route.Catalogue, in protoreflect.MessageDescriptor) *rule {
	checker, err := protovalidate.New(
		protovalidate.WithMessageDescriptors(in),
		protovalidate.WithDisableLazy(),
		protovalidate.WithExtensionTypeResolver(dynamicpb.NewTypes(c.Files())), // for rules of the function's own
	)
	if err == nil { // New leaves expressions that are wrong to the first message
		wrong, ok := errors.AsType[*protovalidate.CompilationError](checker.Validate(dynamicpb.NewMessage(in)))
		if !ok {
			return &rule{message: in, checker: checker}
		}
		err = wrong
	}
	return &rule{message: in, broken: fmt.Errorf("message %s can't be checked by its rules: %s",
		in.FullName(), strings.Join(strings.Fields(err.Error()), " "))}
}

// of returns what the method of a call takes.
func (g *Gate) of(call *entity.Call) request {
	all := g.rules.Load()
	if all == nil || len(*all) == 0 {
		return request{}
	}
	return (*all)[call.Service][call.Command]
}

// check returns what is wrong with a request. A nil rule finds nothing.
func (r *rule) check(payload []byte) error {
	switch {
	case r == nil:
		return nil
	case r.broken != nil:
		return fmt.Errorf("%w: %w", r.broken, entity.ErrProtocol)
	}
	m := dynamicpb.NewMessage(r.message)
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(payload, m); err != nil {
		return fmt.Errorf("%w: not a %s", entity.ErrInvalid, r.message.FullName())
	}
	err := r.checker.Validate(m)
	if err == nil {
		return nil
	}
	broken, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return fmt.Errorf("rules of %s: %s: %w", r.message.FullName(), err.Error(), entity.ErrProtocol)
	}
	invalid := new(entity.Invalid)
	for _, v := range broken.Violations {
		invalid.Violations = append(invalid.Violations, entity.Violation{
			Field:       protovalidate.FieldPathString(v.Proto.GetField()),
			Rule:        v.Proto.GetRuleId(),
			Description: v.Proto.GetMessage(),
		})
	}
	return invalid
}

// Submit carries out a call whose request is valid.
func (g *Gate) Submit(call entity.Call, done func(entity.Answer)) {
	if err := g.of(&call).check(call.Payload); err != nil {
		done(entity.Answer{Err: err})
		return
	}
	g.next.Submit(call, done)
}

// Stream carries out a call for as long as its requests are valid.
func (g *Gate) Stream(ctx context.Context, call entity.Call, client entity.Exchange) error {
	r := g.of(&call)
	switch {
	case r.rule == nil:
	case r.streamed && r.broken == nil:
		client = checked{client, r.rule}
	default:
		if err := r.check(call.Payload); err != nil {
			return err
		}
	}
	return g.next.Stream(ctx, call, client)
}

// A checked is the side of a client whose messages have rules.
type checked struct {
	entity.Exchange
	rule *rule
}

// Recv returns the next message if it is valid.
func (c checked) Recv() ([]byte, error) {
	payload, err := c.Exchange.Recv()
	if err == nil {
		err = c.rule.check(payload)
	}
	return payload, err
}
