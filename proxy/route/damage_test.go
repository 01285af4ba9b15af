// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// TestKeyOptionIsScanned gives the option in ways in which decoded options
// don't show it, or show something else.
func TestKeyOptionIsScanned(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options string
		err     string
	}{
		{"1080", "\xc0\x43\x01", ""},
		{"50002", "\x90\xb5\x18\x01", ""},
		{"both, one false", "\xc0\x43\x00\x90\xb5\x18\x01", ""},
		{"false, then true", "\xc0\x43\x00\xc0\x43\x01", ""},
		{"among others", "\x10\x01\xc0\x43\x01\x18\x01", ""},
		{"true, then false", "\xc0\x43\x01\xc0\x43\x00", "has no entity key field"},
		{"message", "\xc2\x43\x02\x08\x01", "option 1080 is a message there"},
		{"fixed", "\xc5\x43\x01\x00\x00\x00", "has no entity key field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := compile(t, method("rpc Do(N) returns (K);"))
			raw := new(descriptorpb.FieldOptions)
			if err := proto.Unmarshal([]byte(tt.options), raw); err != nil {
				t.Fatal(err)
			}
			set.File[0].MessageType[1].Field[0].Options = raw
			c, err := Parse(spec(t, set, EventSourced, "x.S"), all)
			if tt.err != "" {
				wantErrors(t, err, []string{tt.err})
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if key, err := c.Method("/x.S/Do").Key([]byte("\x0a\x01a")); key != "a" || err != nil {
				t.Errorf("Key = %q, %v", key, err)
			}
		})
	}
}

// TestParseSurvivesDamage changes each byte of a good set in some ways. What
// matters is that nothing panics, and that Parse makes up its mind.
func TestParseSurvivesDamage(t *testing.T) {
	s := spec(t, compile(t, method("rpc Do(K) returns (N);")), EventSourced, "x.S")
	for i, was := range s.Proto {
		for _, is := range []byte{0, was + 1, was ^ 0x80} {
			s.Proto[i] = is
			if c, err := Parse(s, all); (c == nil) == (err == nil) {
				t.Fatalf("byte %d is %#x: Parse = %v, %v", i, is, c, err)
			}
		}
		s.Proto[i] = was
	}
}

func FuzzParse(f *testing.F) {
	add := func(set *descriptorpb.FileDescriptorSet, service string) {
		for i := range all {
			f.Add(encode(f, set), service, byte(i))
		}
	}
	set := compile(f, shop)
	add(set, "shop.Cart")
	slices.Reverse(set.File)
	set.File[0].Dependency[0] = "domain.proto"
	add(set, "shop.Watch")
	set.File[1].Dependency = []string{"shop/shop.proto"}
	add(set, "shop.Cart")
	add(compile(f, everything), "k.S")
	add(linkedSet(f, "cloudstate/tck/model/eventsourced/eventsourced.proto", "google/protobuf/descriptor.proto"),
		"cloudstate.tck.model.EventSourcedTckModel")
	f.Fuzz(func(t *testing.T, raw []byte, service string, typ byte) {
		s := &cloudstate.EntitySpec{Proto: raw, Entities: []*cloudstate.Entity{{
			EntityType: all[int(typ)%len(all)], ServiceName: service,
		}}}
		c, err := Parse(s, all)
		if (c == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", c, err)
		}
		if err != nil {
			return
		}
		for path, m := range c.paths {
			if m.Path != path || c.Lookup(m.Service, m.Name) != m {
				t.Errorf("method %+v is lost", m)
			}
			_, _ = m.Key(raw) // whatever comes of it
		}
	})
}
