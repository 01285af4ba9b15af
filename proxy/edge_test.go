// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	model "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
	tck "github.com/kairn-dev/kairn/tck/model"
)

// writeCertificate writes a certificate for 127.0.0.1 with its key, and returns a
// pool that trusts it.
func writeCertificate(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	s := httptest.NewTLSServer(nil) // which has one
	defer s.Close()
	pair := s.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func tlsOf(trusted *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted}
}

// TestOneTLSConnectionCarriesEverything speaks every protocol over one connection
// to a whole proxy, and gRPC by its own library over another.
func TestOneTLSConnectionCarriesEverything(t *testing.T) {
	function, _ := startFunction(t, "127.0.0.1:0", tck.Entities()...)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	trusted := writeCertificate(t, cert, key)
	p := startProxy(t, function, "--tls-cert-file="+cert, "--tls-key-file="+key)
	p.health(t, healthpb.HealthCheckResponse_SERVING)
	addr := strings.TrimPrefix(p.http, "http://")

	transport := &http.Transport{ForceAttemptHTTP2: true}
	transport.TLSClientConfig = tlsOf(trusted)
	conn, err := transport.NewClientConn(t.Context(), "https", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client, url := &http.Client{Transport: conn}, "https://"+addr
	path := model.EventSourcedTckModel_Process_FullMethodName
	call := func(o ...connect.ClientOption) func() {
		return func() {
			c := connect.NewClient[model.Request, model.Response](client, url+path, o...)
			if _, err := c.CallUnary(t.Context(), connect.NewRequest(&model.Request{Id: "a"})); err != nil {
				t.Error(err)
			}
		}
	}
	calls := []func(){call(), call(connect.WithGRPC()), call(connect.WithGRPCWeb()), func() {
		code, body := post(t, client, url+"/tck/model/eventsourced/process", `{"id":"a"}`)
		if code != http.StatusOK || body != `{"message":""}` {
			t.Errorf("REST: %d %s", code, body)
		}
	}}
	var work sync.WaitGroup
	for range 5 {
		for _, c := range calls {
			work.Go(c)
		}
	}
	work.Wait()

	direct, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(credentials.NewTLS(tlsOf(trusted))))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	if _, err := model.NewEventSourcedTckModelClient(direct).Process(t.Context(), &model.Request{Id: "a"}); err != nil {
		t.Error(err)
	}
}

// post sends JSON and returns what comes back.
func post(t *testing.T, c *http.Client, url, body string) (code int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(data)
}

// A mirror is a function, written with no library, whose actions give back what
// they get.
type mirror struct {
	cloudstate.UnimplementedEntityDiscoveryServer
	cloudstate.UnimplementedActionProtocolServer
	spec   *cloudstate.EntitySpec
	errors chan string // what it is told of its errors
}

func (m *mirror) Discover(context.Context, *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	return m.spec, nil
}

func (m *mirror) ReportError(_ context.Context, e *cloudstate.UserFunctionError) (*emptypb.Empty, error) {
	m.errors <- e.GetMessage()
	return &emptypb.Empty{}, nil
}

func (*mirror) HandleUnary(_ context.Context, c *cloudstate.ActionCommand) (*cloudstate.ActionResponse, error) {
	return &cloudstate.ActionResponse{Response: &cloudstate.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: c.GetPayload()}}}, nil
}

const rules = `
	syntax = "proto3";
	package rules;
	import "google/api/annotations.proto";
	import "buf/validate/validate.proto";
	message Item {
		string id = 1;
		int32 count = 2 [(buf.validate.field).int32 = { gt: 0 }];
	}
	message Odd { string id = 1 [(buf.validate.field).cel = { id: "odd" expression: "this +" }]; }
	service Rules {
		rpc Add(Item) returns (Item) { option (google.api.http) = { post: "/items/{id}" body: "*" }; }
		rpc Lost(Item) returns (Item) { option (google.api.http) = { post: "/lost/{nobody}" body: "*" }; }
		rpc Torn(Item) returns (Item) { option (google.api.http) = { get: "/torn/{" }; }
		rpc Twice(Item) returns (Item) { option (google.api.http) = { post: "/items/{count}" body: "*" additional_bindings { post: "/twice" body: "*" } }; }
		rpc Unclear(Odd) returns (Odd);
	}
`

// TestWrongRulesHarmNobodyElse has a function whose rules for HTTP and for the
// checking of messages are good and wrong, behind a whole proxy.
func TestWrongRulesHarmNobodyElse(t *testing.T) {
	m := &mirror{spec: routetest.Spec(t, rules, nil), errors: make(chan string, 10)}
	m.spec.ServiceInfo = &cloudstate.ServiceInfo{ServiceName: "rules", ProtocolMajorVersion: 0, ProtocolMinorVersion: 2}
	server := grpc.NewServer()
	cloudstate.RegisterEntityDiscoveryServer(server, m)
	cloudstate.RegisterActionProtocolServer(server, m)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		if err := server.Serve(l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { server.Stop(); work.Wait() })
	p := startProxy(t, l.Addr().String(), "--store=memory")
	p.health(t, healthpb.HealthCheckResponse_SERVING)

	for _, tt := range []struct {
		path, body string
		code       int
		answer     string // part of it
	}{
		{"/items/1", `{"id":"a"}`, 200, `{"id":"a","count":1}`},
		{"/items/0", `{"id":"a"}`, 400, `"field":"count"`},
		{"/twice", `{"id":"a","count":2}`, 200, `{"id":"a","count":2}`},
		{"/twice", `{}`, 400, `"field":"count"`},
		{"/lost/a", `{}`, 404, "nothing at /lost/a"},
		{"/rules.Rules/Lost", `{"id":"a","count":3}`, 200, `{"id":"a","count":3}`},
		{"/rules.Rules/Unclear", `{"id":"a"}`, 500, "message rules.Odd can't be checked by its rules"},
	} {
		if code, body := post(t, http.DefaultClient, p.http+tt.path, tt.body); code != tt.code || !strings.Contains(body, tt.answer) {
			t.Errorf("%s %s: %d %s, want %d with %s", tt.path, tt.body, code, body, tt.code, tt.answer)
		}
	}
	for _, want := range [][]string{
		{"rules.Rules/Lost", "/lost/{nobody}", "column 8", "nobody"},
		{"rules.Rules/Torn", "/torn/{", "column"},
		{"rules.Rules/Add", "rules.Rules/Twice", "/items/{count}"},
		{"rules.Odd", "this +"},
	} {
		got := <-m.errors
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("the function was told %q, without %q", got, part)
			}
		}
	}
}
