// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"errors"
	"fmt"
	"strings"
)

// The ways in which a call can end without a reply. Wrap them with %w and say
// what was being done; compare with [errors.Is]. Package serve turns them into
// gRPC codes.
var (
	// ErrUnavailable reports that the call was not carried out, and that it
	// may be sent again: the function is away, or the proxy is stopping.
	ErrUnavailable = errors.New("not available")

	// ErrUnknownOutcome reports that the caller can't be told whether the
	// call was carried out.
	ErrUnknownOutcome = errors.New("outcome unknown")

	// ErrOverloaded reports that the call was refused because too many
	// others wait. It has had no effect.
	ErrOverloaded = errors.New("too many calls wait")

	// ErrDeadline reports that the deadline of the call passed.
	ErrDeadline = errors.New("deadline exceeded")

	// ErrCanceled reports that the caller went away.
	ErrCanceled = errors.New("canceled by the caller")

	// ErrInvalid reports that the request is malformed.
	ErrInvalid = errors.New("invalid request")

	// ErrUnimplemented reports that there is no such service or method.
	ErrUnimplemented = errors.New("not implemented")

	// ErrProtocol reports that the user function broke the protocol, or
	// ended the exchange before it answered.
	ErrProtocol = errors.New("user function broke the protocol")

	// ErrLoop reports a chain of forwards and effects that is too long.
	ErrLoop = errors.New("chain of calls is too long")
)

// What a store may answer to a commit, apart from nil. Any other error means
// that it is not known whether the commit was or will be applied, so that the
// same commit has to be sent again.
var (
	// ErrLaneMoved reports that the lane is not where the commit expects it:
	// either the member was evicted or this very commit was applied before.
	// Nothing was applied now.
	ErrLaneMoved = errors.New("lane has moved")

	// ErrRefused reports that the store will never apply the commit as it
	// is. Nothing was applied.
	ErrRefused = errors.New("refused by the store")

	// ErrRepeated reports that the reply of a command is stored already: it
	// was carried out before. It is a kind of ErrRefused.
	ErrRepeated = fmt.Errorf("command was carried out before: %w", ErrRefused)

	// ErrFull reports that the store has no room for the commit, for now. It
	// is an ErrRefused.
	ErrFull = fmt.Errorf("store is full: %w", ErrRefused)
)

// ErrNoMember reports that the store knows no such member (any more): it has no
// lease and no lanes, and never will.
var ErrNoMember = errors.New("no such member")

// A Refusal is the user function's own failure of a command: it has refused it
// in the way that the protocol has for that. It isn't an error of the platform.
type Refusal struct {
	Description string
	Code        uint32 // gRPC code that the function has chosen; 0 if it leaves that to the proxy
}

func (r *Refusal) Error() string { return r.Description }

// A Crash is the user function's report that it could not handle a command,
// which ended the stream of its instance.
type Crash struct {
	Description string
	Code        uint32 // gRPC code that the function has chosen; 0 if it leaves that to the proxy
}

func (c *Crash) Error() string { return c.Description }

// A Status is how the user function ended a call of its own accord: a gRPC code
// other than OK, and what it said. By itself it is for the client; behind an
// error of the platform it only explains that.
type Status struct {
	Code        uint32
	Description string
}

func (s *Status) Error() string { return s.Description }

// An Invalid says field by field what is wrong with a request. It is an
// [ErrInvalid] that a program can read.
type Invalid struct {
	Violations []Violation
}

// A Violation is one thing that is wrong with a request.
type Violation struct {
	Field       string // its path in the request, "items[2].quantity"; "" for the whole
	Rule        string // the rule that was broken, if it has a name
	Description string
}

func (i *Invalid) Error() string {
	var b strings.Builder
	b.WriteString(ErrInvalid.Error())
	for n, v := range i.Violations {
		b.WriteString([]string{": ", "; "}[min(n, 1)])
		if v.Field != "" {
			b.WriteString(v.Field + ": ")
		}
		b.WriteString(v.Description)
	}
	return b.String()
}

// Unwrap returns ErrInvalid.
func (i *Invalid) Unwrap() error { return ErrInvalid }
