// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

func connect(t *testing.T) greet.GreeterClient {
	t.Helper()
	return greet.NewGreeterClient(sdktest.New(t, greeter()))
}

func TestGreet(t *testing.T) {
	client := connect(t)
	for _, tt := range []struct{ name, language, want, err string }{
		{"Ann", "", "Hello, Ann!", ""},
		{"Ann", "fr", "Bonjour, Ann !", ""},
		{"Ann", "xx", "", `nobody here speaks "xx"`},
		{"", "en", "", "whom?"},
	} {
		got, err := client.Greet(t.Context(), &greet.GreetRequest{Name: tt.name, Language: tt.language})
		if got.GetText() != tt.want || status.Convert(err).Message() != tt.err {
			t.Errorf("greet %q in %q: %v, %v", tt.name, tt.language, got, err)
		}
	}
}

func TestGreetAll(t *testing.T) {
	client := connect(t)
	for _, tt := range []struct{ names, want, err string }{
		{"Ann", "Hallo, Ann!", ""},
		{"Ann Bob Carl", "Hallo, Ann, Bob & Carl!", ""},
		{"", "", "whom?"},
	} {
		stream, err := client.GreetAll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(tt.names) {
			if err := stream.Send(&greet.GreetRequest{Name: name, Language: "de"}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := stream.CloseAndRecv()
		if got.GetText() != tt.want || status.Convert(err).Message() != tt.err {
			t.Errorf("greet %q: %v, %v", tt.names, got, err)
		}
	}
}

func TestGreetInAllLanguages(t *testing.T) {
	stream, err := connect(t).GreetInAllLanguages(t.Context(), &greet.GreetRequest{Name: "Ann"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Hallo, Ann!", "Hello, Ann!", "¡Hola, Ann!", "Bonjour, Ann !", "Halló, Ann!"} {
		if got, err := stream.Recv(); err != nil || got.GetText() != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	if got, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v, want the end", got, err)
	}
}

func TestGreetEach(t *testing.T) {
	stream, err := connect(t).GreetEach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Ann", "Bob"} {
		if err := stream.Send(&greet.GreetRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetText() != "Hello, "+name+"!" {
			t.Errorf("%v, %v", got, err)
		}
	}
	if err := stream.Send(&greet.GreetRequest{}); err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); status.Code(err) != codes.Unknown || status.Convert(err).Message() != "whom?" {
		t.Errorf("%v, %v, want a refusal", got, err)
	}
}
