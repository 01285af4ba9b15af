// SPDX-License-Identifier: Apache-2.0

package httprule_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/vanguard"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
)

// pick returns one of its arguments.
func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// randomTemplate returns a template whose variables are among a to d.
func randomTemplate(r *rand.Rand) string {
	var b strings.Builder
	names := []string{"a", "b", "c", "d"}
	name := func() string {
		n := names[0]
		names = names[1:]
		return n
	}
	for range 1 + r.IntN(4) {
		switch r.IntN(6) {
		case 0, 1:
			b.WriteString("/" + pick(r, "x", "y", "z.z"))
		case 2:
			b.WriteString("/*")
		case 3:
			b.WriteString("/{" + name() + "}")
		case 4:
			b.WriteString("/{" + name() + "=" + pick(r, "*", "x/*", "*/y", "x/*/y/*", "y") + "}")
		case 5:
			if r.IntN(3) > 0 {
				continue
			}
			if len(names) > 0 {
				b.WriteString("/{" + name() + "=" + pick(r, "**", "x/**", "*/**") + "}")
			} else {
				b.WriteString("/**")
			}
			return b.String() + pick(r, "", "", ":go")
		}
	}
	if b.Len() == 0 {
		b.WriteString("/x")
	}
	return b.String() + pick(r, "", "", ":go")
}

// randomPath returns a path that a template takes, or nearly.
func randomPath(r *rand.Rand, t *httprule.Template, values ...string) string {
	var b strings.Builder
	for _, s := range t.Segments {
		switch {
		case s.Kind == httprule.Rest:
			for range r.IntN(4) {
				b.WriteString("/" + pick(r, values...))
			}
		case s.Kind == httprule.One || r.IntN(8) == 0:
			b.WriteString("/" + pick(r, values...))
		default:
			b.WriteString("/" + s.Text)
		}
	}
	if r.IntN(10) == 0 || b.Len() == 0 {
		b.WriteString("/" + pick(r, values...))
	}
	if t.Verb != "" && r.IntN(8) > 0 {
		b.WriteString(":" + t.Verb)
	}
	return b.String()
}

// takesNone reports whether the ** of a template has nothing in a path.
func takesNone(t *httprule.Template, path string) bool {
	last := len(t.Segments) - 1
	return t.Segments[last].Kind == httprule.Rest && strings.Count(path, "/") == last
}

// gateway makes grpc-gateway's pattern of a template.
func gateway(t *testing.T, tmpl *httprule.Template) runtime.Pattern {
	t.Helper()
	var ops []int
	var pool []string
	op := func(code utilities.OpCode, text string) {
		ops = append(ops, int(code), len(pool))
		pool = append(pool, text)
	}
	for i, s := range tmpl.Segments {
		switch s.Kind {
		case httprule.Literal:
			op(utilities.OpLitPush, s.Text)
		case httprule.One:
			ops = append(ops, int(utilities.OpPush), 0)
		case httprule.Rest:
			ops = append(ops, int(utilities.OpPushM), 0)
		}
		for _, v := range tmpl.Variables {
			if v.End == i+1 {
				ops = append(ops, int(utilities.OpConcatN), v.End-v.Start)
				op(utilities.OpCapture, v.Path)
			}
		}
	}
	p, err := runtime.NewPattern(1, ops, pool, tmpl.Verb)
	if err != nil {
		t.Fatalf("%s: %v", tmpl.Text, err)
	}
	return p
}

// TestMatchesAsGRPCGatewayDoes compares which paths templates take, and the
// values of their variables. grpc-gateway decodes all that is in a path before it
// looks at its segments, or leaves slashes encoded in all of it, so there are
// none of those here; TestMatch has them.
func TestMatchesAsGRPCGatewayDoes(t *testing.T) {
	const seed, rules = 4, 400
	r := rand.New(rand.NewPCG(seed, 0))
	names := strings.NewReplacer("{a", "{id", "{b", "{other", "{c", "{item.id", "{d", "{note")
	var option strings.Builder
	option.WriteString(`get: "/r"`)
	for i := range rules {
		fmt.Fprintf(&option, ` additional_bindings { get: "/r%d%s" }`, i, names.Replace(randomTemplate(r)))
	}
	table, problems := compile(t, option.String())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	taken := 0
	for _, binding := range table.Bindings() {
		tmpl := binding.Template
		pattern := gateway(t, tmpl)
		for range 30 {
			path := randomPath(r, tmpl, "x", "y", "1", "a%20b", "c+d", "%C3%A9", "%25", "%3Ago")
			b, values, _ := table.Match("GET", path)
			if b != nil && b != binding {
				continue // of another rule, since a literal was exchanged
			}
			parts := strings.Split(path[1:], "/")
			verb := ""
			if last := len(parts) - 1; tmpl.Verb != "" && strings.HasSuffix(parts[last], ":"+tmpl.Verb) {
				verb = tmpl.Verb
				parts[last] = strings.TrimSuffix(parts[last], ":"+verb)
			}
			want, err := pattern.MatchAndEscape(parts, verb, runtime.UnescapingModeAllCharacters)
			if (b != nil) != (err == nil) {
				t.Errorf("%s, %s: taken %t, by grpc-gateway %t", tmpl.Text, path, b != nil, err == nil)
				continue
			}
			if b == nil {
				continue
			}
			taken++
			for i, v := range tmpl.Variables {
				if takesNone(tmpl, path) { // it puts a slash before nothing
					want[v.Path] = strings.TrimSuffix(want[v.Path], "/")
				}
				if values[i] != want[v.Path] {
					t.Errorf("%s, %s: %s is %q, for grpc-gateway %q", tmpl.Text, path, v.Path, values[i], want[v.Path])
				}
			}
		}
	}
	if taken < 1000 {
		t.Errorf("only %d paths were taken", taken)
	}
}

// TestMatchesAsVanguardDoes compares what becomes of requests for a service of
// many rules. Vanguard takes every colon for a verb's and no encoded slash for a
// character, decodes an encoded percent sign twice, and has ** take at least one
// segment, so there is none of that here.
func TestMatchesAsVanguardDoes(t *testing.T) {
	const seed, rules = 7, 120
	r := rand.New(rand.NewPCG(seed, 0))
	var file strings.Builder
	file.WriteString(`syntax = "proto3"; package v; import "google/api/annotations.proto";
		message M { string a = 1; string b = 2; string c = 3; string d = 4; } service S {`)
	for i := range rules {
		fmt.Fprintf(&file, "rpc R%d(M) returns (M) { option (google.api.http) = { get: \"/r%d%s\" }; }\n", i, i, randomTemplate(r))
	}
	file.WriteString("}")
	c := routetest.Catalogue(t, file.String(), nil)
	d, err := c.Files().FindDescriptorByName("v.S")
	if err != nil {
		t.Fatal(err)
	}
	service := d.(protoreflect.ServiceDescriptor)
	table, problems := httprule.Compile(methods(c))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got string // what vanguard has made of the last request
	other, err := vanguard.NewTranscoder([]*vanguard.Service{vanguard.NewServiceWithSchema(service,
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.Path + " " + grpcMessage(t, service, r.Body)
			w.Header().Set("Content-Type", "application/grpc+proto")
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
			w.Write([]byte{0, 0, 0, 0, 0}) //nolint:errcheck // into memory
		}),
		vanguard.WithTargetProtocols(vanguard.ProtocolGRPC), vanguard.WithTargetCodecs(vanguard.CodecProto))})
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, binding := range table.Bindings() {
		for range 30 {
			path := randomPath(r, binding.Template, "x", "y", "1", "a%20b", "c+d", "%C3%A9")
			want := ""
			if b, values, _ := table.Match("GET", path); b != nil {
				if takesNone(b.Template, path) {
					continue
				}
				taken++
				want = "/v.S/" + string(b.Method.Name()) + " " + messageOf(b, values)
			}
			got = ""
			other.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
			if got != want {
				t.Errorf("%s, %s: got %q, from vanguard %q", binding.Template.Text, path, want, got)
			}
		}
	}
	if taken < 1000 {
		t.Errorf("only %d paths were taken", taken)
	}
}

// grpcMessage returns the fields of a v.M in the body of a gRPC request.
func grpcMessage(t *testing.T, s protoreflect.ServiceDescriptor, body io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(body)
	if err != nil || len(data) < 5 {
		t.Fatalf("got %q, %v", data, err)
	}
	m := dynamicpb.NewMessage(s.Methods().Get(0).Input())
	if err := proto.Unmarshal(bytes.Clone(data[5:]), m); err != nil {
		t.Fatal(err)
	}
	var fields []string
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		fields = append(fields, fmt.Sprintf("%s=%q", f.Name(), v.String()))
		return true
	})
	slices.Sort(fields)
	return strings.Join(fields, " ")
}

// messageOf returns the fields that the variables of b are.
func messageOf(b *httprule.Binding, values []string) string {
	var fields []string
	for i, v := range b.Template.Variables {
		if values[i] != "" {
			fields = append(fields, fmt.Sprintf("%s=%q", v.Path, values[i]))
		}
	}
	slices.Sort(fields)
	return strings.Join(fields, " ")
}
