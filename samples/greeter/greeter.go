// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/sdk"
)

// greeter describes the action.
func greeter() sdk.Action {
	return sdk.Action{Service: &greet.Greeter_ServiceDesc, Server: &Greeter{}}
}

// A Greeter greets people. It has no state, so any number of calls run at once.
type Greeter struct {
	greet.UnimplementedGreeterServer
}

// greetings has a greeting for each language.
var greetings = map[string]string{
	"de": "Hallo, %s!",
	"en": "Hello, %s!",
	"es": "¡Hola, %s!",
	"fr": "Bonjour, %s !",
	"is": "Halló, %s!",
}

func greetIn(language, name string) (*greet.Greeting, error) {
	if language == "" {
		language = "en"
	}
	format, ok := greetings[language]
	switch {
	case !ok:
		return nil, fmt.Errorf("nobody here speaks %q", language)
	case name == "":
		return nil, errors.New("whom?")
	}
	return &greet.Greeting{Text: fmt.Sprintf(format, name)}, nil
}

// Greet greets one: a request, a reply.
func (*Greeter) Greet(_ context.Context, in *greet.GreetRequest) (*greet.Greeting, error) {
	return greetIn(in.GetLanguage(), in.GetName())
}

// GreetAll greets all who came, in the language of the first: many requests, a
// reply.
func (*Greeter) GreetAll(stream grpc.ClientStreamingServer[greet.GreetRequest, greet.Greeting]) error {
	var names []string
	language := ""
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			all, err := greetIn(language, together(names))
			if err != nil {
				return err
			}
			return stream.SendAndClose(all)
		case err != nil:
			return err
		case len(names) == 0:
			language = in.GetLanguage()
		}
		names = append(names, in.GetName())
	}
}

// together returns names as one would say them.
func together(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " & " + names[last]
}

// GreetInAllLanguages greets one in every language: a request, many replies. A
// client that reads slowly slows it down; one that goes away ends it.
func (*Greeter) GreetInAllLanguages(in *greet.GreetRequest, stream grpc.ServerStreamingServer[greet.Greeting]) error {
	for _, language := range slices.Sorted(maps.Keys(greetings)) {
		g, err := greetIn(language, in.GetName())
		if err != nil {
			return err
		}
		if err := stream.Send(g); err != nil {
			return err
		}
	}
	return nil
}

// GreetEach greets each one who comes: many requests, many replies. One that
// can't be greeted ends the call.
func (*Greeter) GreetEach(stream grpc.BidiStreamingServer[greet.GreetRequest, greet.Greeting]) error {
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		g, err := greetIn(in.GetLanguage(), in.GetName())
		if err != nil {
			return err
		}
		if err := stream.Send(g); err != nil {
			return err
		}
	}
}
