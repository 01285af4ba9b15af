// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/exchange"
	"github.com/kairn-dev/kairn/tck/intercept"
	"github.com/kairn-dev/kairn/tck/script"
)

// Wait is how long a case waits for what it expects.
const Wait = 3 * time.Second

// A Kind says what a case tests.
type Kind int

// The kinds of cases.
const (
	Model Kind = iota // a function
	Proxy             // a proxy
)

// A Case is one numbered check.
type Case struct {
	Number   string
	Section  string // cases of a section stand together in the report
	Name     string
	Kind     Kind
	Services []string // that the function must have
	HTTP     bool     // whether the proxy's HTTP address is needed
	LeftOut  bool     // whether it is not to run
	Run      func(t *T)

	StoreFails bool // whether the proxy's store has to fail on demand
}

// A Target is what is tested. What isn't there is nil or empty.
type Target struct {
	Log      *exchange.Log
	Function grpc.ClientConnInterface // for model cases
	Spec     *cloudstate.EntitySpec   // the function's answer to discovery

	Proxy   grpc.ClientConnInterface // for proxy cases
	HTTP    string                   // the proxy's base URL for HTTP, such as http://127.0.0.1:9000
	Info    *cloudstate.ProxyInfo    // with which the proxy asked
	Between *intercept.Interceptor

	StoreFails bool                     // whether the proxy's store does as package trouble says
	Script     *script.Function         // behaves as a case says
	Divert     grpc.ClientConnInterface // leads to Script
}

// A Barrier is a call through the proxy that each proxy case makes a few times
// in the end.
type Barrier struct {
	Service string // that the function must have
	Call    func(ctx context.Context, proxy grpc.ClientConnInterface, key string) error
}

// pending returns why a case can't run, "" if it can.
func (target *Target) pending(c *Case) string {
	if c.LeftOut {
		return "it was left out"
	}
	for _, s := range c.Services {
		if !target.has(s) {
			return "the function does not have " + s
		}
	}
	switch {
	case c.Kind == Model && target.Function == nil:
		return "the function was not given"
	case c.Kind == Proxy && target.Proxy == nil:
		return "the proxy was not given"
	case c.HTTP && target.HTTP == "":
		return "the proxy was given without an HTTP address"
	case c.StoreFails && !target.StoreFails:
		return "the proxy's store does not fail on demand"
	}
	return ""
}

// has reports whether the function has a service.
func (target *Target) has(service string) bool {
	return slices.ContainsFunc(target.Spec.GetEntities(), func(e *cloudstate.Entity) bool { return e.GetServiceName() == service })
}

// Discover asks the function as a proxy does.
func Discover(ctx context.Context, function grpc.ClientConnInterface) (*cloudstate.EntitySpec, error) {
	ctx, cancel := context.WithTimeout(ctx, Wait)
	defer cancel()
	spec, err := cloudstate.NewEntityDiscoveryClient(function).Discover(ctx, &cloudstate.ProxyInfo{
		ProtocolMajorVersion: 0,
		ProtocolMinorVersion: 2,
		ProxyName:            "tck",
		ProxyVersion:         "0.2",
		SupportedEntityTypes: EntityTypes(),
	}, grpc.WaitForReady(true))
	if err != nil {
		return nil, fmt.Errorf("discover what the function serves: %w", err)
	}
	return spec, nil
}

// EntityTypes returns the protocols that a proxy supports.
func EntityTypes() []string {
	return []string{
		"cloudstate.action.ActionProtocol",
		"cloudstate.crdt.Crdt",
		"cloudstate.eventsourced.EventSourced",
		"cloudstate.valueentity.ValueEntity",
	}
}

// Discovered waits until the proxy has asked the function what it serves, and
// adds what was said to the target.
func (target *Target) Discovered(ctx context.Context) error {
	call, err := target.Log.Claim(ctx, method(cloudstate.EntityDiscovery_Discover_FullMethodName))
	if err != nil {
		return fmt.Errorf("wait for the proxy to discover the function: %w", err)
	}
	question, err := call.Next(ctx, exchange.Caller)
	if err != nil {
		return err
	}
	answer, err := call.Next(ctx, exchange.Callee)
	if err != nil {
		return fmt.Errorf("wait for the function's answer to discovery: %w", err)
	}
	if answer.End() {
		return fmt.Errorf("the function's answer to discovery: %w", answer.Err)
	}
	var ok1, ok2 bool
	target.Info, ok1 = question.Message.(*cloudstate.ProxyInfo)
	target.Spec, ok2 = answer.Message.(*cloudstate.EntitySpec)
	if !ok1 || !ok2 {
		return errors.New("discovery was not in the protocol's messages")
	}
	return nil
}
