// SPDX-License-Identifier: Apache-2.0

package valueentity

import (
	"context"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Barrier is a call of the model's second entity.
func Barrier() suite.Barrier {
	return suite.Barrier{Service: twoService, Call: func(ctx context.Context, proxy grpc.ClientConnInterface, key string) error {
		return proxy.Invoke(ctx, callTwo, request(key), &valueentity.Response{})
	}}
}

// A client calls the model through the proxy, and compares what it gets.
type client struct {
	t *suite.T
}

// gets calls the first entity and expects that text.
func (c client) gets(text, key string, actions ...*action) {
	c.t.Gets(process, request(key, actions...), answer(text))
}

// fails calls the first entity and expects an error with that description.
func (c client) fails(description, key string, actions ...*action) {
	c.t.Fails(process, request(key, actions...), answer(""), description)
}

// answer is what the client gets.
func answer(text string) *valueentity.Response { return &valueentity.Response{Message: text} }
