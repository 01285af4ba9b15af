// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/kairn-dev/kairn/proxy/serve/outcome"
)

// toStatus says in gRPC's words what went wrong.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	code, text, _ := outcome.Describe(err)
	s := status.New(code, outcome.Shortened(text))
	for _, detail := range outcome.Details(err) {
		if with, err := s.WithDetails(protoadapt.MessageV1Of(detail)); err == nil {
			s = with
		}
	}
	return s.Err()
}

// toTrailer returns what to say beside the status; most errors need nothing.
func toTrailer(err error) metadata.MD {
	if outcome.Unknown(err) {
		return metadata.Pairs(outcome.Trailer, "unknown")
	}
	return nil
}
