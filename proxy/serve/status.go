// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// outcomeTrailer is the trailer of a call of which nobody can say whether it
// was carried out. Its value is unknown.
const outcomeTrailer = "kairn-outcome"

// maxDescription is how many bytes of a description are sent. Some clients
// drop the whole status if its header is longer than 8 or 16 KiB.
const maxDescription = 4 << 10

// statuses says which error becomes which code. An error may wrap several: the
// first that fits counts, so what warns against sending again comes first.
var statuses = []struct {
	err  error
	code codes.Code
}{
	{entity.ErrUnknownOutcome, codes.Unavailable},
	{entity.ErrLaneMoved, codes.Unavailable}, // may have been applied before
	{entity.ErrProtocol, codes.Internal},
	{entity.ErrRefused, codes.Internal},
	{entity.ErrLoop, codes.FailedPrecondition},
	{entity.ErrInvalid, codes.InvalidArgument},
	{entity.ErrUnimplemented, codes.Unimplemented},
	{entity.ErrOverloaded, codes.ResourceExhausted},
	{entity.ErrDeadline, codes.DeadlineExceeded},
	{entity.ErrCanceled, codes.Canceled},
	{entity.ErrUnavailable, codes.Unavailable},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
}

// toStatus says in gRPC's words what went wrong. It is the only place that
// does: everything below the edge speaks in the errors of package entity.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	code, text, _ := describe(err)
	return status.Error(code, shortened(text))
}

// describe returns the code and the text for err, which isn't nil. Known is
// false for an error that isn't in the table: its text stays here.
func describe(err error) (code codes.Code, text string, known bool) {
	if refusal, ok := errors.AsType[*entity.Refusal](err); ok {
		return codes.Unknown, refusal.Description, true
	}
	if crash, ok := errors.AsType[*entity.Crash](err); ok {
		return codes.Internal, crash.Description, true
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.code, err.Error(), true
		}
	}
	if own, ok := errors.AsType[*entity.Status](err); ok {
		return codeOf(own), own.Description, true
	}
	return codes.Internal, "entity failed", false
}

// codeOf returns the code that the function ended a call with, if there is such
// a code.
func codeOf(s *entity.Status) codes.Code {
	if s.Code == uint32(codes.OK) || s.Code > uint32(codes.Unauthenticated) {
		return codes.Unknown
	}
	return codes.Code(s.Code)
}

// toTrailer returns what to say beside the status; most errors need nothing.
func toTrailer(err error) metadata.MD {
	if errors.Is(err, entity.ErrUnknownOutcome) || errors.Is(err, entity.ErrLaneMoved) {
		return metadata.Pairs(outcomeTrailer, "unknown")
	}
	return nil
}

// shortened cuts s to maxDescription, between two characters.
func shortened(s string) string {
	if len(s) <= maxDescription {
		return s
	}
	const more = " ..."
	end := maxDescription - len(more)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
