// SPDX-License-Identifier: Apache-2.0

package message

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	peerpb "github.com/kairn-dev/kairn/proto/kairn/peer/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
)

// sent returns m as it comes out of the network.
func sent[M proto.Message](t *testing.T, m M) M {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got := m.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(b, got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCall(t *testing.T) {
	here, there := time.Unix(1000, 0), time.Unix(5000, 0) // by another clock
	whole := entity.Call{
		Service: "shop.Cart", Command: "AddItem", Payload: []byte("x"), Key: "ce:a\x00b\x00c", Depth: 3,
		Metadata: entity.Metadata{{Name: "traceparent", Value: "00-1-2-03"}, {Name: "x-bin", Value: "\xff\x00"}, {Name: "traceparent", Value: "again"}},
	}
	for _, rest := range []time.Duration{0, time.Second, -time.Second} {
		c := whole
		want := whole
		if rest != 0 {
			c.Deadline, want.Deadline = here.Add(rest), there.Add(rest)
		}
		m := sent(t, Command(&c, 1023, 7, here))
		if m.GetShard() != 1023 || m.GetRound() != 7 {
			t.Errorf("shard %d, round %d", m.GetShard(), m.GetRound())
		}
		if got := Call(m, there); !reflect.DeepEqual(got, want) {
			t.Errorf("call %+v, want %+v", got, want)
		}
	}
	due := entity.Call{Deadline: here}
	if got := Call(sent(t, Command(&due, 0, 0, here)), there); got.Deadline.IsZero() || got.Deadline.After(there) {
		t.Errorf("a call that is due has until %v, want until %v", got.Deadline, there)
	}
}

func TestReply(t *testing.T) {
	want := entity.Answer{Payload: []byte("x"), Metadata: entity.Metadata{{Name: "a", Value: "b"}}}
	if got := Answered(sent(t, Answer(&want))); !reflect.DeepEqual(got, want) {
		t.Errorf("answer %+v, want %+v", got, want)
	}
}

// TestFailuresLookAlike checks that a client can't tell where its call has failed.
func TestFailuresLookAlike(t *testing.T) {
	invalid := &entity.Invalid{Violations: []entity.Violation{{Field: "a.b", Rule: "max", Description: "too large"}, {Description: "all of it"}}}
	all := []error{
		&entity.Refusal{Description: "no", Code: 9}, &entity.Refusal{}, &entity.Crash{Description: "\xffoops"}, &entity.Status{Code: 7, Description: "mine"},
		fmt.Errorf("stream: %w: %w", entity.ErrUnavailable, &entity.Status{Code: 14, Description: "away"}),
		fmt.Errorf("effect: %w: %w", entity.ErrUnknownOutcome, entity.ErrDeadline),
		invalid, fmt.Errorf("request: %w", invalid),
		context.DeadlineExceeded, fmt.Errorf("read: %w", context.Canceled), errors.New("secret"),
	}
	for _, kind := range kinds {
		all = append(all, kind, fmt.Errorf("while testing: %w", kind))
	}
	for _, err := range all {
		got := Answered(sent(t, Answer(&entity.Answer{Err: err}))).Err
		code, text, known := outcome.Describe(err)
		if c, s, k := outcome.Describe(got); c != code || s != strings.ToValidUTF8(text, "\uFFFD") || k != known {
			t.Errorf("%v is told as %v %q, %v; want %v %q, %v", err, c, s, k, code, text, known)
		}
		if outcome.Unknown(got) != outcome.Unknown(err) {
			t.Errorf("%v: outcome unknown %v, want %v", err, outcome.Unknown(got), outcome.Unknown(err))
		}
		details, want := outcome.Details(got), outcome.Details(err)
		for i := range want {
			if len(details) != len(want) || !proto.Equal(details[i], want[i]) {
				t.Errorf("%v has details %v, want %v", err, details, want)
			}
		}
		for _, kind := range kinds {
			if is(got, kind) != is(err, kind) {
				t.Errorf("%v is %v: %v, want %v", err, kind, is(got, kind), is(err, kind))
			}
		}
	}
}

func TestKindOfTheFuture(t *testing.T) {
	got := Answered(&peerpb.Answer{Failure: &peerpb.Failure{Kinds: []peerpb.Kind{99}, Text: "secret"}}).Err
	if _, text, known := outcome.Describe(got); known || text == "secret" {
		t.Errorf("it is told as %q", text)
	}
}

// TestEveryErrorHasAKind makes sure that nobody adds one to the vocabulary and
// forgets it here.
func TestEveryErrorHasAKind(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../entity/errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Err") {
			n++
		}
		return true
	})
	if n != len(kinds) || len(peerpb.Kind_name) != n+1 {
		t.Errorf("there are %d errors, %d are passed on, and the protocol has %d kinds", n, len(kinds), len(peerpb.Kind_name)-1)
	}
}
