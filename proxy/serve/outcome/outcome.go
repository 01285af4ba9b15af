// SPDX-License-Identifier: Apache-2.0

// Package outcome says in the words of gRPC's codes how a call has ended. All
// protocols of the edge use it, so that a client gets the same answer whichever
// it speaks. The table is in the comment of package serve.
package outcome

import (
	"context"
	"errors"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// Trailer is the trailer, or header, of a call of which nobody can say whether
// it was carried out. Its value is unknown.
const Trailer = "kairn-outcome"

// MaxDescription is how many bytes of a description are sent. Some clients
// drop the whole status if its header is longer than 8 or 16 KiB.
const MaxDescription = 4 << 10

// statuses says which error becomes which code. An error may wrap several: the
// first that fits counts, so what warns against sending again comes first.
var statuses = []struct {
	err  error
	code codes.Code
}{
	{entity.ErrUnknownOutcome, codes.Unavailable},
	{entity.ErrLaneMoved, codes.Unavailable}, // may have been applied before
	{entity.ErrProtocol, codes.Internal},
	{entity.ErrFull, codes.ResourceExhausted},
	{entity.ErrRefused, codes.Internal},
	{entity.ErrLoop, codes.FailedPrecondition},
	{entity.ErrInvalid, codes.InvalidArgument},
	{entity.ErrUnimplemented, codes.Unimplemented},
	{entity.ErrOverloaded, codes.ResourceExhausted},
	{entity.ErrDeadline, codes.DeadlineExceeded},
	{entity.ErrCanceled, codes.Canceled},
	{entity.ErrUnavailable, codes.Unavailable},
	{entity.ErrNoMember, codes.Unavailable}, // nobody who handles a call says so
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
}

// Describe returns the code and the text for err, which isn't nil. Known is
// false for an error that isn't in the table: its text stays here.
func Describe(err error) (code codes.Code, text string, known bool) {
	if refusal, ok := errors.AsType[*entity.Refusal](err); ok {
		return codeOf(refusal.Code, codes.Unknown), refusal.Description, true
	}
	if crash, ok := errors.AsType[*entity.Crash](err); ok {
		return codeOf(crash.Code, codes.Internal), crash.Description, true
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.code, err.Error(), true
		}
	}
	if own, ok := errors.AsType[*entity.Status](err); ok {
		return codeOf(own.Code, codes.Unknown), own.Description, true
	}
	return codes.Internal, "entity failed", false
}

// codeOf returns the code that the function has chosen, if there is such a code,
// and otherwise if not.
func codeOf(chosen uint32, otherwise codes.Code) codes.Code {
	if chosen == uint32(codes.OK) || chosen > uint32(codes.Unauthenticated) {
		return otherwise
	}
	return codes.Code(chosen)
}

// Unknown reports whether nobody can say if the call that ended with err was
// carried out, so that the client has to be warned.
func Unknown(err error) bool {
	return errors.Is(err, entity.ErrUnknownOutcome) || errors.Is(err, entity.ErrLaneMoved)
}

// Details returns what there is to say besides the code and the text of err:
// the fields that are wrong, as a google.rpc.BadRequest. Most errors have none.
func Details(err error) []proto.Message {
	wrong, ok := errors.AsType[*entity.Invalid](err)
	if !ok {
		return nil
	}
	detail := new(errdetails.BadRequest)
	for _, v := range wrong.Violations {
		detail.FieldViolations = append(detail.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: v.Field, Description: v.Description, Reason: v.Rule,
		})
	}
	return []proto.Message{detail}
}

// Shortened cuts s to MaxDescription, between two characters.
func Shortened(s string) string {
	if len(s) <= MaxDescription {
		return s
	}
	const more = " ..."
	end := MaxDescription - len(more)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
