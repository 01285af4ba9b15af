// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
)

// TestBehindTheProxy runs the sample as its README says: as a process, with the
// proxy beside it.
func TestBehindTheProxy(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir(), nil, "proxy", "samples/greeter")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"STORE=memory"}}
	t.Cleanup(s.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client := greet.NewGreeterClient(conn)

	t.Run("one for one", func(t *testing.T) {
		got, err := client.Greet(ctx, &greet.GreetRequest{Name: "Ann", Language: "fr"})
		greeted(t, got, err, "Bonjour, Ann !")
		_, err = client.Greet(ctx, &greet.GreetRequest{Name: "Ann", Language: "xx"})
		refused(t, err, `nobody here speaks "xx"`)
	})
	t.Run("many for one", func(t *testing.T) {
		stream, err := client.GreetAll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Ann", "Bob", "Carl"} {
			if err := stream.Send(&greet.GreetRequest{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := stream.CloseAndRecv()
		greeted(t, got, err, "Hello, Ann, Bob & Carl!")
	})
	t.Run("one for many", func(t *testing.T) {
		stream, err := client.GreetInAllLanguages(ctx, &greet.GreetRequest{Name: "Ann"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Hallo, Ann!", "Hello, Ann!", "¡Hola, Ann!", "Bonjour, Ann !", "Halló, Ann!"} {
			got, err := stream.Recv()
			greeted(t, got, err, want)
		}
		if got, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, %v, want the end", got, err)
		}
	})
	t.Run("many for many", func(t *testing.T) {
		stream, err := client.GreetEach(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Ann", "Bob"} {
			if err := stream.Send(&greet.GreetRequest{Name: name}); err != nil {
				t.Fatal(err)
			}
			got, err := stream.Recv()
			greeted(t, got, err, "Hello, "+name+"!")
		}
		if err := stream.Send(&greet.GreetRequest{}); err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		refused(t, err, "whom?")
	})
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func greeted(t *testing.T, got *greet.Greeting, err error, want string) {
	t.Helper()
	if err != nil || got.GetText() != want {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if st := status.Convert(err); st.Code() != codes.Unknown || st.Message() != want {
		t.Errorf("%v, want it refused: %s", err, want)
	}
}
