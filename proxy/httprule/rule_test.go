// SPDX-License-Identifier: Apache-2.0

package httprule_test

import (
	"iter"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
)

const head = `
	syntax = "proto3";
	package shop;
	import "google/api/annotations.proto";
	import "google/protobuf/timestamp.proto";
	import "google/protobuf/wrappers.proto";
	message Item { string id = 1; int32 n = 2; }
	message Request {
		string id = 1;
		Item item = 2;
		repeated string names = 3;
		map<string, string> labels = 4;
		google.protobuf.Timestamp at = 5;
		google.protobuf.StringValue note = 6;
		repeated Item items = 7;
		string other = 8;
	}
	message Reply { string text = 1; repeated Item items = 2; }
`

// methods returns the methods of all services of c.
func methods(c *route.Catalogue) iter.Seq[protoreflect.MethodDescriptor] {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		for _, e := range c.Entities() {
			d, err := c.Files().FindDescriptorByName(protoreflect.FullName(e.Service))
			if err != nil {
				panic(err)
			}
			all := d.(protoreflect.ServiceDescriptor).Methods()
			for i := range all.Len() {
				if !yield(all.Get(i)) {
					return
				}
			}
		}
	}
}

// compile makes a table of a service whose methods have these options, each
// named for its place: A, B, and so on.
func compile(t testing.TB, options ...string) (*httprule.Table, []*httprule.Problem) {
	t.Helper()
	var b strings.Builder
	b.WriteString(head + "service Cart {\n")
	for i, o := range options {
		b.WriteString("rpc " + string(rune('A'+i)) + "(Request) returns (Reply) {")
		if o != "" {
			b.WriteString("option (google.api.http) = {" + o + "};")
		}
		b.WriteString("}\n")
	}
	b.WriteString("}")
	return httprule.Compile(methods(routetest.Catalogue(t, b.String(), nil)))
}

func TestRulesThatAreRight(t *testing.T) {
	table, problems := compile(t,
		`get: "/a/{id}"`,
		``,
		`post: "/c" body: "*" additional_bindings { put: "/c/{item.id}" body: "item" response_body: "items" } additional_bindings { patch: "/c" body: "names" }`,
		`custom { kind: "HEAD" path: "/d/{at}/{note}" } selector: "shop.Cart.D"`,
		`custom { kind: "*" path: "/e" } body: "labels"`,
		`delete: "/" response_body: "text"`,
	)
	for _, p := range problems {
		t.Error(p)
	}
	var got []string
	for _, b := range table.Bindings() {
		line := string(b.Method.Name()) + " " + b.String()
		if b.WholeBody {
			line += " *"
		}
		if b.Body != nil {
			line += " " + string(b.Body.Name())
		}
		if b.Response != nil {
			line += " -> " + string(b.Response.Name())
		}
		got = append(got, line)
	}
	want := []string{
		`B POST "/shop.Cart/B" *`,
		`A GET "/a/{id}"`,
		`C POST "/c" *`,
		`C PUT "/c/{item.id}" item -> items`,
		`C PATCH "/c" names`,
		`D HEAD "/d/{at}/{note}"`,
		`E * "/e" labels`,
		`F DELETE "/" -> text`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	const method = "method shop.Cart/A: HTTP rule"
	for option, want := range map[string]string{
		`body: "*"`:                                 ` it has no pattern`,
		`get: ""`:                                   ` GET "", column 1: '/' is missing at the end`,
		`get: "/f*o"`:                               ` GET "/f*o", column 3: '*' stands where '/', ':' or the end should`,
		`get: "/{nobody}"`:                          ` GET "/{nobody}", column 3: message shop.Request has no field nobody`,
		`get: "/{item.nobody}"`:                     ` GET "/{item.nobody}", column 3: message shop.Item has no field nobody`,
		`get: "/{id.x}"`:                            ` GET "/{id.x}", column 3: field shop.Request.id is no message, and has no field x`,
		`get: "/x/{item}"`:                          ` GET "/x/{item}", column 5: field shop.Request.item is a message, and can't be a variable`,
		`get: "/{names}"`:                           ` GET "/{names}", column 3: field shop.Request.names is repeated, and can't be a variable`,
		`get: "/{labels}"`:                          ` GET "/{labels}", column 3: field shop.Request.labels is repeated, and can't be a variable`,
		`get: "/{items.id}"`:                        ` GET "/{items.id}", column 3: field shop.Request.items is repeated, and can't be a variable`,
		`put: "/" body: "nobody"`:                   ` PUT "/": body: message shop.Request has no field nobody`,
		`put: "/" response_body: "id"`:              ` PUT "/": response_body: message shop.Reply has no field id`,
		`custom { kind: "G T" path: "/" }`:          ` G T "/": "G T" is no HTTP verb`,
		`custom { path: "/" }`:                      ` it has no pattern`,
		`get: "/" selector: "shop.Cart.B"`:          ` its selector is "shop.Cart.B", and should be empty or "shop.Cart.A"`,
		`get: "/" additional_bindings { get: "/" }`: ` GET "/": it takes the same requests as GET "/" of method shop.Cart/A, in whose place it is used`,
		`get: "/" additional_bindings { get: "/a" additional_bindings { get: "/b" } }`: ` an additional binding can't have additional bindings of its own`,
	} {
		_, problems := compile(t, option, `get: "/fine"`)
		if len(problems) != 1 {
			t.Errorf("%s: got %d problems: %v", option, len(problems), problems)
			continue
		}
		got := strings.Replace(problems[0].Error(), "rule: ", "rule ", 1)
		if got != method+want {
			t.Errorf("%s:\ngot  %s\nwant %s", option, got, method+want)
		}
	}
}

func TestWrongRuleLeavesTheOthersServing(t *testing.T) {
	table, problems := compile(t, `get: "/a/{" additional_bindings { get: "/b/{id}" }`, `get: "/c"`)
	if len(problems) != 1 || problems[0].Column != 5 || problems[0].Method != "shop.Cart.A" {
		t.Errorf("got problems %v", problems)
	}
	for path, want := range map[string]string{"/b/x": "A", "/c": "B"} {
		if b, _, _ := table.Match("GET", path); b == nil || string(b.Method.Name()) != want {
			t.Errorf("%s is for %v", path, b)
		}
	}
	if b, _, _ := table.Match("POST", "/shop.Cart/A"); b != nil {
		t.Error("a method with rules has the default route too")
	}
}

func TestMethodWithWrongRulesOnlyHasTheDefaultRoute(t *testing.T) {
	table, problems := compile(t, `get: "/a/{" additional_bindings { get: "/b/{none}" }`)
	if len(problems) != 2 {
		t.Errorf("got problems %v", problems)
	}
	if b, _, _ := table.Match("POST", "/shop.Cart/A"); b == nil || !b.Default {
		t.Errorf("the default route is for %v", b)
	}
}

func TestCollisionsAreReportedAndTheLaterRuleHolds(t *testing.T) {
	table, problems := compile(t,
		`get: "/x/{id}"`,
		`get: "/x/{other}"`,
		`post: "/shop.Cart/D" body: "*"`,
		``,
		`custom { kind: "*" path: "/x/*" }`,
	)
	want := []string{
		`method shop.Cart/B: HTTP rule GET "/x/{other}": it takes the same requests as GET "/x/{id}" of method shop.Cart/A, in whose place it is used`,
		`method shop.Cart/C: HTTP rule POST "/shop.Cart/D": it takes the requests of method shop.Cart/D, which has no rule and is served by POST "/shop.Cart/D" without it`,
	}
	if len(problems) != len(want) {
		t.Fatalf("got problems %v", problems)
	}
	for i, p := range problems {
		if p.Error() != want[i] {
			t.Errorf("got  %s\nwant %s", p, want[i])
		}
	}
	for _, tt := range []struct{ verb, path, want string }{
		{"GET", "/x/1", "B"}, {"HEAD", "/x/1", "B"}, {"PUT", "/x/1", "E"}, {"POST", "/shop.Cart/D", "C"},
	} {
		if b, _, _ := table.Match(tt.verb, tt.path); b == nil || string(b.Method.Name()) != tt.want {
			t.Errorf("%s %s is for %v, want %s", tt.verb, tt.path, b, tt.want)
		}
	}
}
