// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// commitMethod is the call that every commit is one of.
const commitMethod = "/google.spanner.v1.Spanner/Commit"

// count is between the client library and the network, so it sees what the
// library sends again.
func (s *Stats) count(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if method != commitMethod {
		return err
	}
	s.Commits.Add(1)
	switch status.Code(err) {
	case codes.OK:
	case codes.Aborted:
		s.Aborted.Add(1)
	default:
		s.Failed.Add(1)
	}
	return err
}
