// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/exchange"
)

func failure(id int64, text string) *cloudstate.Failure {
	return &cloudstate.Failure{CommandId: id, Description: text}
}

func TestWhatIsSaidIsReadOnceInOrder(t *testing.T) {
	l := exchange.NewLog()
	c := l.Open(exchange.ProxyToFunction, "/a/b")
	c.Say(exchange.Caller, failure(1, "one"))
	c.Say(exchange.Callee, failure(2, "two"))
	c.Say(exchange.Caller, failure(3, "three"))
	c.End(exchange.Caller, nil)
	c.Say(exchange.Caller, failure(4, "after the end"))
	for _, want := range []int64{1, 3} {
		e, err := c.Next(t.Context(), exchange.Caller)
		if err != nil || e.Message.(*cloudstate.Failure).GetCommandId() != want {
			t.Fatalf("next %v, %v, want %d", e, err, want)
		}
	}
	if e, err := c.Next(t.Context(), exchange.Caller); err != nil || !e.End() || e.Err != nil {
		t.Fatalf("next %v, %v, want the end", e, err)
	}
	left := l.Unread(exchange.ProxyToFunction)
	if len(left) != 1 || left[0].From != exchange.Callee {
		t.Errorf("unread %v, want what the callee said", left)
	}
	if left := l.Unread(exchange.ProxyToFunction); len(left) != 0 {
		t.Errorf("unread %v a second time", left)
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := exchange.NewLog()
		c := l.Open(exchange.ProxyToFunction, "/a/b")
		got := make(chan error, 1)
		go func() {
			_, err := c.Next(t.Context(), exchange.Callee)
			got <- err
		}()
		synctest.Wait()
		c.Say(exchange.Callee, failure(1, "one"))
		if err := <-got; err != nil {
			t.Errorf("error %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Next(ctx, exchange.Callee); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestACallIsClaimedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := exchange.NewLog()
		fits := func(_ *exchange.Call, first proto.Message) bool {
			return first.(*cloudstate.Failure).GetCommandId() == 2
		}
		l.Open(exchange.ProxyToFunction, "/a/b").Say(exchange.Caller, failure(1, "one"))
		silent := l.Open(exchange.ProxyToFunction, "/a/b")
		got := make(chan *exchange.Call, 1)
		go func() {
			c, _ := l.Claim(t.Context(), fits)
			got <- c
		}()
		synctest.Wait()
		silent.Say(exchange.Caller, failure(2, "two"))
		if c := <-got; c != silent {
			t.Errorf("claimed %v", c)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c, err := l.Claim(ctx, fits); err == nil {
			t.Errorf("claimed %v twice", c)
		}
	})
}

func TestIgnoredCallsAreNotUnread(t *testing.T) {
	l := exchange.NewLog()
	c := l.Open(exchange.ProxyToFunction, "/a/b")
	c.Say(exchange.Caller, failure(1, "one"))
	l.Open(exchange.ClientToProxy, "/a/b").Say(exchange.Caller, failure(1, "one"))
	c.Ignore()
	c.Say(exchange.Caller, failure(1, "one"))
	if left := l.Unread(exchange.ProxyToFunction); len(left) != 0 {
		t.Errorf("unread %v", left)
	}
}

func TestEntriesSayWhoSaidWhat(t *testing.T) {
	l := exchange.NewLog()
	c := l.Open(exchange.ProxyToFunction, "/a/b")
	c.Say(exchange.Caller, failure(1, "one"))
	c.End(exchange.Callee, status.Error(codes.Internal, "two"))
	all := l.Between(exchange.Mark{}, l.Mark())
	for i, want := range []string{"proxy > function  #1 /a/b\n    command_id", `ends with Internal: "two"`} {
		if got := all[i].String(); !strings.Contains(got, want) {
			t.Errorf("entry %q, want %q in it", got, want)
		}
	}
}

func TestDiff(t *testing.T) {
	unknown := failure(1, "one")
	unknown.ProtoReflect().SetUnknown([]byte{0x78, 0x01}) // field 15
	packed := func(value []byte) proto.Message {
		return &cloudstate.Reply{Payload: &anypb.Any{TypeUrl: "type.googleapis.com/cloudstate.Failure", Value: value}}
	}
	for _, tt := range []struct {
		name      string
		want, got proto.Message
		diff      []string // parts of it; none if there is none
	}{
		{"equal", failure(1, "one"), failure(1, "one"), nil},
		{"value", failure(1, "one"), failure(2, "one"), []string{"- command_id:", "+ command_id:", "  description:"}},
		{"absent is not empty", &cloudstate.Command{}, &cloudstate.Command{Metadata: &cloudstate.Metadata{}}, []string{"+ metadata:"}},
		{"unknown field", failure(1, "one"), unknown, []string{"+ 15:"}},
		{"type", &emptypb.Empty{}, &cloudstate.Failure{}, []string{"cloudstate.Failure", "google.protobuf.Empty"}},
		{"inside of an Any", packed([]byte{0x08, 1}), packed([]byte{0x08, 2}), []string{"- ", "+ ", "command_id"}},
		{"encoding of an Any", packed([]byte{0x08, 1}), packed([]byte{0x08, 0x81, 0}), []string{"encoded differently"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			diff := exchange.Diff(tt.want, tt.got)
			if (diff == "") != (tt.diff == nil) {
				t.Errorf("diff %q", diff)
			}
			for _, part := range tt.diff {
				if !strings.Contains(strings.ReplaceAll(diff, "  ", " "), strings.ReplaceAll(part, "  ", " ")) {
					t.Errorf("diff %s\nhas no %q", diff, part)
				}
			}
		})
	}
}
