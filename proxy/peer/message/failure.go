// SPDX-License-Identifier: Apache-2.0

package message

import (
	"context"
	"errors"
	"strings"

	peerpb "github.com/kairn-dev/kairn/proto/kairn/peer/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// kinds are the errors that are passed on by name.
var kinds = map[peerpb.Kind]error{
	peerpb.Kind_KIND_UNAVAILABLE:     entity.ErrUnavailable,
	peerpb.Kind_KIND_UNKNOWN_OUTCOME: entity.ErrUnknownOutcome,
	peerpb.Kind_KIND_OVERLOADED:      entity.ErrOverloaded,
	peerpb.Kind_KIND_DEADLINE:        entity.ErrDeadline,
	peerpb.Kind_KIND_CANCELED:        entity.ErrCanceled,
	peerpb.Kind_KIND_INVALID:         entity.ErrInvalid,
	peerpb.Kind_KIND_UNIMPLEMENTED:   entity.ErrUnimplemented,
	peerpb.Kind_KIND_PROTOCOL:        entity.ErrProtocol,
	peerpb.Kind_KIND_LOOP:            entity.ErrLoop,
	peerpb.Kind_KIND_LANE_MOVED:      entity.ErrLaneMoved,
	peerpb.Kind_KIND_REFUSED:         entity.ErrRefused,
	peerpb.Kind_KIND_REPEATED:        entity.ErrRepeated,
	peerpb.Kind_KIND_FULL:            entity.ErrFull,
	peerpb.Kind_KIND_NO_MEMBER:       entity.ErrNoMember,
}

// A remote is an error of another member.
type remote struct {
	text  string
	wraps []error
}

func (r *remote) Error() string { return r.text }

// Unwrap returns all that the error is.
func (r *remote) Unwrap() []error { return r.wraps }

// failure returns err as it is passed on.
func failure(err error) *peerpb.Failure {
	f := &peerpb.Failure{Text: strings.ToValidUTF8(err.Error(), "\uFFFD")}
	for k := peerpb.Kind_KIND_UNAVAILABLE; kinds[k] != nil; k++ {
		if is(err, kinds[k]) {
			f.Kinds = append(f.Kinds, k)
		}
	}
	if e, ok := errors.AsType[*entity.Refusal](err); ok {
		f.Refusal = said(e.Description, e.Code)
	}
	if e, ok := errors.AsType[*entity.Crash](err); ok {
		f.Crash = said(e.Description, e.Code)
	}
	if e, ok := errors.AsType[*entity.Status](err); ok {
		f.Status = said(e.Description, e.Code)
	}
	if e, ok := errors.AsType[*entity.Invalid](err); ok {
		for _, v := range e.Violations {
			f.Violations = append(f.Violations, &peerpb.Violation{Field: v.Field, Rule: v.Rule, Description: v.Description})
		}
	}
	return f
}

// is is [errors.Is], to which the ends of contexts are those of calls.
func is(err, kind error) bool {
	return errors.Is(err, kind) ||
		errors.Is(kind, entity.ErrDeadline) && errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(kind, entity.ErrCanceled) && errors.Is(err, context.Canceled)
}

func said(description string, code uint32) *peerpb.Said {
	return &peerpb.Said{Description: strings.ToValidUTF8(description, "\uFFFD"), Code: code}
}

// failed returns the error that f passes on. A kind that is not known here is one
// that clients are told nothing about.
func failed(f *peerpb.Failure) error {
	r := &remote{text: f.GetText()}
	for _, k := range f.GetKinds() {
		if kind := kinds[k]; kind != nil {
			r.wraps = append(r.wraps, kind)
		}
	}
	if s := f.GetRefusal(); s != nil {
		r.wraps = append(r.wraps, &entity.Refusal{Description: s.GetDescription(), Code: s.GetCode()})
	}
	if s := f.GetCrash(); s != nil {
		r.wraps = append(r.wraps, &entity.Crash{Description: s.GetDescription(), Code: s.GetCode()})
	}
	if s := f.GetStatus(); s != nil {
		r.wraps = append(r.wraps, &entity.Status{Description: s.GetDescription(), Code: s.GetCode()})
	}
	if len(f.GetViolations()) > 0 {
		wrong := &entity.Invalid{}
		for _, v := range f.GetViolations() {
			wrong.Violations = append(wrong.Violations, entity.Violation{Field: v.GetField(), Rule: v.GetRule(), Description: v.GetDescription()})
		}
		r.wraps = append(r.wraps, wrong)
	}
	return r
}
