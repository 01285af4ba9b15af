// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
)

func TestCallReachesTheSubmitterAndItsAnswerTheClient(t *testing.T) {
	calls := make(chan entity.Call, 1)
	c := connect(t, newTestGRPC(t, submit(func(call entity.Call, done func(entity.Answer)) {
		calls <- call
		go done(entity.Answer{Payload: []byte("reply")})
	}), Options{}))

	reply, err := do(t.Context(), c, []byte("request"))
	if err != nil || string(reply) != "reply" {
		t.Fatalf("got %q, %v", reply, err)
	}
	call := <-calls
	if call.Done == nil {
		t.Error("the call has no Done")
	}
	call.Done = nil
	want := entity.Call{Service: "test.Things", Command: "Do", Payload: []byte("request")}
	if !reflect.DeepEqual(call, want) {
		t.Errorf("got call %+v, want %+v", call, want)
	}
}

func TestMessagesOfAnySizePass(t *testing.T) {
	c := connect(t, newTestGRPC(t, submit(echo), Options{}))
	for _, size := range []int{0, 1, 1000, 1024, 5000, 100_000, 4 << 20} {
		payload := bytes.Repeat([]byte{7, 1, 9}, size/3+1)[:size]
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
			options = append(options, grpc.MaxCallRecvMsgSize(5<<20))
			reply, err := do(t.Context(), c, payload, options...)
			if err != nil || !bytes.Equal(reply, payload) {
				t.Errorf("%d bytes, %d options: got %d bytes, %v", size, len(options), len(reply), err)
			}
		}
	}
}

func TestMessageOverTheLimitIsRefused(t *testing.T) {
	c := connect(t, newTestGRPC(t, submit(echo), Options{MaxReceive: 1000}))
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		_, err := do(t.Context(), c, make([]byte, 1001), options...)
		wantStatus(t, err, codes.ResourceExhausted, "")
	}
	if _, err := do(t.Context(), c, make([]byte, 1000)); err != nil {
		t.Errorf("a message of the limit: %v", err)
	}
}

// compression notes how replies come.
type compression struct{ header chan string }

func (compression) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (compression) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (compression) HandleConn(context.Context, stats.ConnStats) {}

func (c compression) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InHeader); ok {
		c.header <- in.Compression
	}
}

func TestReplyIsCompressedAsTheRequestWas(t *testing.T) {
	s := newTestGRPC(t, submit(echo), Options{})
	seen := compression{make(chan string, 1)}
	c := dial(t, connect(t, s).Target()[len("passthrough:"):], grpc.WithStatsHandler(seen))
	defer c.Close()
	for want, options := range map[string][]grpc.CallOption{"": nil, "gzip": {grpc.UseCompressor(gzip.Name)}} {
		if _, err := do(t.Context(), c, make([]byte, 100), options...); err != nil {
			t.Fatal(err)
		}
		if got := <-seen.header; got != want {
			t.Errorf("request with %q, reply with %q", want, got)
		}
	}
}

func TestMetadataGoesBothWays(t *testing.T) {
	calls := make(chan entity.Call, 1)
	c := connect(t, newTestGRPC(t, submit(func(call entity.Call, done func(entity.Answer)) {
		calls <- call
		done(entity.Answer{Metadata: entity.Metadata{
			{Name: "ETag", Value: "7"},
			{Name: "part", Value: "1"},
			{Name: "part", Value: "2"},
			{Name: "hash-bin", Value: "\x00\xff"},
			{Name: "grpc-status", Value: "5"},
			{Name: "content-type", Value: "text/plain"},
			{Name: "bad name", Value: "x"},
			{Name: "bad-text", Value: "ä"},
		}})
	}), Options{}))

	ctx := metadata.AppendToOutgoingContext(t.Context(),
		"Zone", "b", "zone", "a", "digest-bin", "\x01\xfe", "kairn-outcome", "fake")
	var header metadata.MD
	if _, err := do(ctx, c, nil, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	in := entity.Metadata{{Name: "digest-bin", Value: "\x01\xfe"}, {Name: "zone", Value: "b"}, {Name: "zone", Value: "a"}}
	if got := (<-calls).Metadata; !reflect.DeepEqual(got, in) {
		t.Errorf("the call has %q, want %q", got, in)
	}
	delete(header, "content-type") // gRPC's own
	out := metadata.MD{"etag": {"7"}, "part": {"1", "2"}, "hash-bin": {"\x00\xff"}}
	if !reflect.DeepEqual(header, out) {
		t.Errorf("the reply has %q, want %q", header, out)
	}
}

func TestFailureKeepsItsMetadata(t *testing.T) {
	c := connect(t, newTestGRPC(t, answering(entity.Answer{
		Err:      &entity.Refusal{Description: "sold out"},
		Metadata: entity.Metadata{{Name: "reason", Value: "12"}},
	}), Options{}))
	var header metadata.MD
	_, err := do(t.Context(), c, nil, grpc.Header(&header))
	wantStatus(t, err, codes.Unknown, "sold out")
	if got := header.Get("reason"); len(got) != 1 || got[0] != "12" {
		t.Errorf("the header is %q", header)
	}
}

func TestUnknownOutcomeIsMarked(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("add: %w", entity.ErrUnknownOutcome): "unknown",
		entity.ErrUnavailable:                           "",
	} {
		c := connect(t, newTestGRPC(t, answering(entity.Answer{Err: err}), Options{}))
		var trailer metadata.MD
		_, got := do(t.Context(), c, nil, grpc.Trailer(&trailer))
		wantStatus(t, got, codes.Unavailable, err.Error())
		if v := trailer.Get(outcome.Trailer); (len(v) > 0) != (want != "") || len(v) > 0 && v[0] != want {
			t.Errorf("%v: trailer %q", err, trailer)
		}
	}
}

func TestErrorThatNobodyKnowsGoesToTheLogOnly(t *testing.T) {
	var log bytes.Buffer
	s := newTestGRPC(t, answering(entity.Answer{Err: errSome}), Options{})
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	_, err := do(t.Context(), connect(t, s), nil)
	wantStatus(t, err, codes.Internal, "entity failed")
	if !bytes.Contains(log.Bytes(), []byte(errSome.Error())) {
		t.Errorf("the log is %q", &log)
	}
}

func TestDeadlineIsPassedOnAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // on a busy machine a real deadline may pass before the call has come
		calls := make(chan entity.Call, 1)
		c, stop, ended := bubble(t, newTestGRPC(t, submit(func(call entity.Call, _ func(entity.Answer)) { calls <- call }), Options{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := do(ctx, c, nil)
		wantStatus(t, err, codes.DeadlineExceeded, "")
		call := <-calls
		if call.Deadline.IsZero() {
			t.Error("the call has no deadline")
		}
		<-call.Done
		c.Close()
		stop()
		<-ended
	})
}

// A call that is given up frees its exchange for the next one. Its answer may
// come at any time later, and must reach nobody.
func TestLateAnswersReachNobody(t *testing.T) {
	var (
		mu   sync.Mutex
		late []func(entity.Answer)
	)
	answerLate := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, done := range late {
			done(entity.Answer{Payload: []byte("late")})
		}
	}
	given := make(chan struct{})
	c := connect(t, newTestGRPC(t, submit(func(call entity.Call, done func(entity.Answer)) {
		if string(call.Payload) != "never" {
			answerLate()
			echo(call, done)
			answerLate()
			return
		}
		mu.Lock()
		late = append(late, done)
		mu.Unlock()
		given <- struct{}{}
	}), Options{}))

	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-given
			cancel()
		}()
		_, err := do(ctx, c, []byte("never"))
		wantStatus(t, err, codes.Canceled, "")
		var wg sync.WaitGroup
		for j := range 4 {
			wg.Go(func() {
				payload := binary.BigEndian.AppendUint64(nil, uint64(i*4+j))
				reply, err := do(t.Context(), c, payload)
				if err != nil || !bytes.Equal(reply, payload) {
					t.Errorf("sent %x, got %q, %v", payload, reply, err)
				}
			})
		}
		wg.Wait()
	}
}

func TestExchangeTakesOneAnswerPerTurn(t *testing.T) {
	e := newStreams().newExchange()
	gone := make(chan struct{})
	close(gone)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var lateDone func(entity.Answer)
	_, err := e.ask(ctx, submit(func(_ entity.Call, done func(entity.Answer)) { lateDone = done }), entity.Call{Done: gone})
	if err == nil {
		t.Fatal("a call that was given up has an answer")
	}
	lateDone(entity.Answer{Payload: []byte("late")})

	got, err := e.ask(t.Context(), submit(func(_ entity.Call, done func(entity.Answer)) {
		lateDone(entity.Answer{Payload: []byte("later")})
		done(entity.Answer{Payload: []byte("right")})
		done(entity.Answer{Payload: []byte("twice")})
	}), entity.Call{})
	if err != nil || string(got.Payload) != "right" {
		t.Errorf("got %q, %v", got.Payload, err)
	}
	if len(e.ready) != 0 {
		t.Error("an answer is left for the next call")
	}
}

func TestWrongCallsSayWhatIsWrong(t *testing.T) {
	c := connect(t, newTestGRPC(t, submit(echo), Options{}))
	for _, test := range []struct {
		path, text string
		code       codes.Code
	}{
		{"/test.Things/Undo", "not implemented: service test.Things has no method Undo", codes.Unimplemented},
		{"/test.Others/Do", "not implemented: no service test.Others", codes.Unimplemented},
		{"/Do", "not implemented: no service ", codes.Unimplemented},
		{"/grpc.health.v1.Health/Heal", "not implemented: no service grpc.health.v1.Health", codes.Unimplemented},
	} {
		_, err := invoke(t.Context(), c, test.path, nil)
		if test.path == "/Do" {
			test.text = "" // grpc-go answers
		}
		wantStatus(t, err, test.code, test.text)
	}
	_, err := do(t.Context(), c, []byte("{}"), grpc.CallContentSubtype("json"))
	wantStatus(t, err, codes.Unimplemented,
		`not implemented: payloads of type "application/grpc+json"; only protobuf is served`)
}

func TestUnaryMethodTakesOneMessage(t *testing.T) {
	c := connect(t, newTestGRPC(t, submit(echo), Options{}))
	for n, text := range map[int]string{
		0: "invalid request: /test.Things/Do takes one message, none came",
		2: "invalid request: /test.Things/Do takes one message, more came",
	} {
		stream, err := c.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true},
			"/test.Things/Do", grpc.ForceCodecV2(newRawCodec()))
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := stream.SendMsg(&Raw{[]byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, stream.RecvMsg(new(Raw)), codes.InvalidArgument, text)
	}
}

func TestWithoutACatalogueTheReasonIsGiven(t *testing.T) {
	for text, err := range map[string]error{
		"not available: something nobody has heard of":   errSome,
		"not available: the user function doesn't start": fmt.Errorf("%w: the user function doesn't start", entity.ErrUnavailable),
	} {
		s := NewGRPC(slog.New(slog.DiscardHandler), func() (*route.Catalogue, error) { return nil, err }, submit(echo), streamFunc(noStreams), Options{})
		_, got := do(t.Context(), connect(t, s), nil)
		wantStatus(t, got, codes.Unavailable, text)
	}
}
