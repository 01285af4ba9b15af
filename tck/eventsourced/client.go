// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Barrier is a call of the model's second entity.
func Barrier() suite.Barrier {
	return suite.Barrier{Service: twoService, Call: func(ctx context.Context, proxy grpc.ClientConnInterface, key string) error {
		return proxy.Invoke(ctx, callTwo, request(key), &eventsourced.Response{})
	}}
}

// A client calls the model through the proxy, and compares what it gets.
type client struct {
	t *suite.T
}

// gets calls the first entity and expects that text.
func (c client) gets(text, key string, actions ...*action) {
	got := &eventsourced.Response{}
	if err := c.t.Invoke(process, request(key, actions...), got); err != nil {
		c.t.Fatalf("the client should have got %q, but got the error %q (%v)", text, status.Convert(err).Message(), status.Code(err))
	}
	c.t.Equal("what the client got", &eventsourced.Response{Message: text}, got)
}

// fails calls the first entity and expects an error with that description.
func (c client) fails(description, key string, actions ...*action) {
	got := &eventsourced.Response{}
	c.failed(description, c.t.Invoke(process, request(key, actions...), got))
}

// failed expects err to have that description.
func (c client) failed(description string, err error) {
	switch s := status.Convert(err); {
	case err == nil:
		c.t.Fatalf("the client should have got the error %q, but got a reply", description)
	case s.Message() != description:
		c.t.Fatalf("the client should have got the error %q, but got %q (%v)", description, s.Message(), s.Code())
	}
}
