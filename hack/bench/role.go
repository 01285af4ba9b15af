// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/hack/bench/floor"
	"github.com/kairn-dev/kairn/hack/bench/function"
	"github.com/kairn-dev/kairn/hack/bench/hop"
	"github.com/kairn-dev/kairn/hack/bench/load"
	"github.com/kairn-dev/kairn/hack/bench/raw"
)

// roles are what this program can be besides the benchmark, by the first
// argument.
var roles = map[string]func(context.Context, []string) error{
	"function": asFunction,
	"echo":     asEcho,
	"floor":    asFloor,
	"hop":      asHop,
	"load":     asLoad,
	"streams":  asStreams,
}

// A part is what the roles are told.
type part struct {
	listen   string
	function string
	store    string
	dir      string
	pprof    bool
}

func partFrom(args []string) (part, error) {
	var p part
	f := flag.NewFlagSet("role", flag.ContinueOnError)
	f.StringVar(&p.listen, "listen", "127.0.0.1:0", "where to serve")
	f.StringVar(&p.function, "function", "", "address of the user function")
	f.StringVar(&p.store, "store", "pebble", "pebble or file")
	f.StringVar(&p.dir, "dir", "", "folder of the store")
	f.BoolVar(&p.pprof, "pprof", false, "serve profiles")
	return p, f.Parse(args)
}

func asFunction(ctx context.Context, args []string) error {
	p, err := partFrom(args)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	if err := function.Register(s, func(m string) { fmt.Fprintln(os.Stderr, "the proxy reports:", m) }); err != nil {
		return err
	}
	return p.serve(ctx, s)
}

func asEcho(ctx context.Context, args []string) error {
	p, err := partFrom(args)
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.NumStreamWorkers(256))
	benchpb.RegisterBenchServer(s, function.Direct{})
	return p.serve(ctx, s)
}

func asFloor(ctx context.Context, args []string) error {
	p, err := partFrom(args)
	if err != nil {
		return err
	}
	var log floor.Log
	if p.store == "file" {
		log, err = floor.OpenFile(filepath.Join(p.dir, "log"))
	} else {
		log, err = floor.OpenPebble(p.dir)
	}
	if err != nil {
		return err
	}
	conn, err := p.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	proxy := floor.New(conn, log)
	ctx, cancel := context.WithCancelCause(ctx)
	s := grpc.NewServer(grpc.UnknownServiceHandler(proxy.Handler(ctx)), grpc.ForceServerCodecV2(raw.Codec{}), grpc.NumStreamWorkers(256))
	go func() { cancel(proxy.Run(ctx)) }()
	return p.serve(ctx, s)
}

func asHop(ctx context.Context, args []string) error {
	p, err := partFrom(args)
	if err != nil {
		return err
	}
	conn, err := p.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	s := grpc.NewServer(grpc.UnknownServiceHandler(hop.Handler(conn, talk)), grpc.ForceServerCodecV2(raw.Codec{}), grpc.NumStreamWorkers(256))
	return p.serve(ctx, s)
}

// dial connects to the function, for messages as bytes.
func (p part) dial() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:"+p.function,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{}), grpc.WaitForReady(true)))
}

func asLoad(ctx context.Context, _ []string) error {
	return obey(func(job load.Job) load.Result { return load.Run(ctx, job) })
}

func asStreams(ctx context.Context, args []string) error {
	p, err := partFrom(args)
	if err != nil {
		return err
	}
	s, err := load.NewStreams(p.function)
	if err != nil {
		return err
	}
	defer s.Close()
	admin, err := p.admin(ctx)
	if err != nil {
		return err
	}
	serving("", admin)
	return obey(func(job load.StreamsJob) load.Result {
		if err := s.Open(ctx, job); err != nil {
			return load.Result{Err: err.Error()}
		}
		return load.Result{}
	})
}

// obey carries out the orders on standard input, one after another.
func obey[Order, Answer any](do func(Order) Answer) error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var order Order
		if err := in.Decode(&order); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(do(order)); err != nil {
			return err
		}
	}
}

// serve serves until ctx is done.
func (p part) serve(ctx context.Context, s *grpc.Server) error {
	ln, err := listen(ctx, p.listen)
	if err != nil {
		return err
	}
	admin, err := p.admin(ctx)
	if err != nil {
		return err
	}
	serving(ln.Addr().String(), admin)
	context.AfterFunc(ctx, s.Stop)
	return errors.Join(s.Serve(ln), context.Cause(ctx))
}

// admin serves profiles and the count of allocations, if asked for, and returns
// where.
func (p part) admin(ctx context.Context) (string, error) {
	if !p.pprof {
		return "", nil
	}
	ln, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintln(w, mallocsTotal, m.Mallocs)
	})
	go func() { _ = http.Serve(ln, mux) }() // ends with the process
	return ln.Addr().String(), nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

// serving says where this process listens, as the proxy does.
func serving(grpc, admin string) {
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("serving", "grpc", grpc, "admin", admin)
}
