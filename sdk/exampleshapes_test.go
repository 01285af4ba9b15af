// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A Host has a method of each shape.
type Host struct {
	greet.UnimplementedGreeterServer
}

// Greet has one request and one reply.
func (Host) Greet(_ context.Context, in *greet.GreetRequest) (*greet.Greeting, error) {
	return &greet.Greeting{Text: "Hello, " + in.GetName()}, nil
}

// GreetAll has many requests and one reply.
func (Host) GreetAll(stream grpc.ClientStreamingServer[greet.GreetRequest, greet.Greeting]) error {
	for n := 0; ; n++ {
		_, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return stream.SendAndClose(&greet.Greeting{Text: fmt.Sprintf("Hello, all %d", n)})
		case err != nil:
			return err
		}
	}
}

// GreetInAllLanguages has one request and many replies.
func (Host) GreetInAllLanguages(in *greet.GreetRequest, stream grpc.ServerStreamingServer[greet.Greeting]) error {
	for _, word := range []string{"Hallo, ", "Bonjour, "} {
		if err := stream.Send(&greet.Greeting{Text: word + in.GetName()}); err != nil {
			return err
		}
	}
	return nil
}

// GreetEach has many requests and many replies.
func (Host) GreetEach(stream grpc.BidiStreamingServer[greet.GreetRequest, greet.Greeting]) error {
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := stream.Send(&greet.Greeting{Text: "Welcome, " + in.GetName()}); err != nil {
			return err
		}
	}
}

func ExampleAction_shapes() {
	proxy, err := sdktest.Open(nil, sdk.Action{Service: &greet.Greeter_ServiceDesc, Server: Host{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), greet.NewGreeterClient(proxy)
	ann, bob := &greet.GreetRequest{Name: "Ann"}, &greet.GreetRequest{Name: "Bob"}

	one, err := client.Greet(ctx, ann)
	fmt.Println(one.GetText(), err)

	all, err := client.GreetAll(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(all.Send(ann), all.Send(bob))
	one, err = all.CloseAndRecv()
	fmt.Println(one.GetText(), err)

	languages, err := client.GreetInAllLanguages(ctx, ann)
	for err == nil {
		if one, err = languages.Recv(); err == nil {
			fmt.Println(one.GetText())
		}
	}

	each, err := client.GreetEach(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, guest := range []*greet.GreetRequest{ann, bob} {
		if err := each.Send(guest); err != nil {
			fmt.Println(err)
		}
		one, err = each.Recv()
		fmt.Println(one.GetText(), err)
	}
	fmt.Println(each.CloseSend())
	// Output:
	// Hello, Ann <nil>
	// <nil> <nil>
	// Hello, all 2 <nil>
	// Hallo, Ann
	// Bonjour, Ann
	// Welcome, Ann <nil>
	// Welcome, Bob <nil>
	// <nil>
}
