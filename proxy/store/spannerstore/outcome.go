// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"fmt"
	"strings"

	"cloud.google.com/go/spanner"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// explain says what the error of a commit means. Most errors say nothing about
// the outcome, and are returned as they are.
func (s *Store) explain(ctx context.Context, at entity.Position, writes []entity.Write, err error) error {
	switch spanner.ErrCode(err) {
	case codes.NotFound, codes.AlreadyExists:
		if gone(err) != nil {
			return err
		}
		return s.conflict(ctx, at, writes, err)
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return fmt.Errorf("%w: %w", err, entity.ErrRefused)
	}
	return err
}

// conflict tells apart why a row was not as a commit expects it. It looks at the
// rows, and not at which of them Spanner names first: if the lane is not there
// any more, then that is the reason, whatever else has changed since; if it is,
// then the commit was not applied. While they can't be read nothing is known, whatever
// err says.
func (s *Store) conflict(ctx context.Context, at entity.Position, writes []entity.Write, err error) error {
	n, ok, lost := s.Position(ctx, at.Member, at.Lane)
	switch {
	case lost != nil:
		return unknown(lost, err)
	case !ok || n != at.N:
		return fmt.Errorf("%w: %w", err, entity.ErrLaneMoved)
	}
	for i := range writes {
		r := writes[i].Reply
		if r == nil {
			continue
		}
		row, lost := s.find(ctx, "Replies", s.row(writes[i].Key, []byte(r.Key)), "Expires")
		if lost != nil {
			return unknown(lost, err)
		}
		if row != nil {
			return fmt.Errorf("%s of %v: %w", r.Method, writes[i].Key, entity.ErrRepeated)
		}
	}
	s.stats.Violations.Add(1)
	return fmt.Errorf("%w: %w", err, entity.ErrRefused)
}

// unknown returns an error that says why something is not known, and wraps nothing
// that would say more.
func unknown(lost, err error) error {
	return fmt.Errorf("%v, and why is not known: %w", err, lost) //nolint:errorlint // err may claim what isn't sure
}

// gone returns err if it says that there is no such session or database, rather
// than no such row.
func gone(err error) error {
	if st, ok := status.FromError(err); ok {
		for _, d := range st.Details() {
			if _, ok := d.(*errdetails.ResourceInfo); ok {
				return err
			}
		}
	}
	for _, what := range []string{"Session not found", "Database not found", "Instance not found"} {
		if strings.Contains(err.Error(), what) {
			return err
		}
	}
	return nil
}

// unread says what the error of a read means: the state can't be had now, and
// nothing has been done.
func unread(what string, key entity.Key, err error) error {
	switch spanner.ErrCode(err) {
	case codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition:
		return fmt.Errorf("%s of %v: %w", what, key, err)
	}
	return fmt.Errorf("%s of %v: %w: %w", what, key, err, entity.ErrUnavailable)
}
