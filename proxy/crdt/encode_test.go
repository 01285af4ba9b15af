// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// samples are states of every kind.
func samples(t testing.TB) []*Data {
	deleted, entries := new(Data), omAdd("a", gc(1), "b", pn(-2), "c", gs("x"), "d", ors("", "y"),
		"e", reg("v"), "f", flg(true), "g", vt(true, 1, 1), "h", omAdd("i", omAdd("j", pn(0))))
	deleted.Delete()
	all := []*Data{new(Data), deleted}
	for _, delta := range []*cloudstate.CrdtDelta{gc(0), gc(1), pn(-2), gs("x y"), ors("", "y z"), reg("v"), flg(true), vt(true, 1, 1), entries} {
		d, o := new(Data), new(Data)
		apply(t, o, "other", delta)
		apply(t, d, "one", delta)
		d.Merge(o)
		apply(t, d, "two", delta)
		all = append(all, d)
	}
	return all
}

func TestDecodeReadsWhatEncodeWrites(t *testing.T) {
	for _, d := range samples(t) {
		b, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", valueOf(d), err)
		}
		same(t, "equal", d, got)
		if valueOf(d) != valueOf(got) || d.Deleted() != got.Deleted() {
			t.Errorf("decoded %s, want %s", valueOf(got), valueOf(d))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	spans := func(of ...uint64) *crdtpb.Seen {
		s := new(crdtpb.Seen)
		for i := 0; i < len(of); i += 2 {
			s.Spans = append(s.Spans, &crdtpb.Span{First: of[i], Last: of[i+1]})
		}
		return s
	}
	at := func(replica uint32, n uint64) *crdtpb.Dot { return &crdtpb.Dot{Replica: replica, Number: n} }
	gcounter := func(counts ...*crdtpb.Count) *crdtpb.Data {
		return &crdtpb.Data{Data: &crdtpb.Data_Gcounter{Gcounter: &crdtpb.Counts{Counts: counts}}}
	}
	orset := func(members ...*crdtpb.Member) *crdtpb.Data {
		return &crdtpb.Data{Data: &crdtpb.Data_Orset{Orset: &crdtpb.Elements{Members: members}}}
	}
	member := func(name string, added ...*crdtpb.Dot) *crdtpb.Member {
		return &crdtpb.Member{Element: &crdtpb.Element{TypeUrl: name}, Added: added}
	}
	ormap := func(entries ...*crdtpb.Entry) *crdtpb.Data {
		return &crdtpb.Data{Data: &crdtpb.Data_Ormap{Ormap: &crdtpb.Entries{Entries: entries}}}
	}
	flag := &crdtpb.Data{Data: &crdtpb.Data_Flag{Flag: &crdtpb.Dots{}}}
	for _, tt := range []struct {
		name   string
		change func(*crdtpb.State)
		want   string
	}{
		{"nothing wrong", func(*crdtpb.State) {}, ""},
		{"another version", func(s *crdtpb.State) { s.Version = 2 }, "version 2 of the encoding, not 1"},
		{"unknown fields", func(s *crdtpb.State) { s.ProtoReflect().SetUnknown([]byte{0x78, 1}) }, "unknown fields"},
		{"deleted with data", func(s *crdtpb.State) { s.Deleted = true }, "deleted, yet with data"},
		{"seen is missing", func(s *crdtpb.State) { s.Seen = s.Seen[:1] }, "2 replicas, but 1 seen"},
		{"replicas out of order", func(s *crdtpb.State) { s.Replicas = [][]byte{[]byte("b"), []byte("a")} }, `replica "a" is not in its place`},
		{"replica without a name", func(s *crdtpb.State) { s.Replicas[0] = nil }, `replica "" is not in its place`},
		{"nothing seen", func(s *crdtpb.State) { s.Seen[0] = spans() }, "replica of which nothing was seen"},
		{"number zero", func(s *crdtpb.State) { s.Seen[0] = spans(0, 3) }, "numbers 0 to 3 seen after 0"},
		{"spans that touch", func(s *crdtpb.State) { s.Seen[0] = spans(1, 3, 4, 5) }, "numbers 4 to 5 seen after 4"},
		{"span backwards", func(s *crdtpb.State) { s.Seen[0] = spans(5, 3) }, "numbers 5 to 3 seen after 0"},
		{"number too large", func(s *crdtpb.State) { s.Seen[0] = spans(1, 1<<63) }, "seen after 0"},
		{"no type", func(s *crdtpb.State) { s.Data = &crdtpb.Data{} }, "data of no known type"},
		{"dot of nobody", func(s *crdtpb.State) { s.Data = gcounter(&crdtpb.Count{Dot: at(2, 1), Amount: 1}) }, "dot of replica 2 of 2"},
		{"dot not seen", func(s *crdtpb.State) { s.Data = gcounter(&crdtpb.Count{Dot: at(1, 4), Amount: 1}) }, `dot 4 of replica "b" was not seen`},
		{"negative count", func(s *crdtpb.State) { s.Data = gcounter(&crdtpb.Count{Dot: at(1, 1), Amount: -1}) }, "count -1"},
		{"two counts of a replica", func(s *crdtpb.State) {
			s.Data = gcounter(&crdtpb.Count{Dot: at(1, 1), Amount: 1}, &crdtpb.Count{Dot: at(1, 2), Amount: 1})
		}, `replica "b" is not in its place`},
		{"element without dots", func(s *crdtpb.State) { s.Data = orset(member("x")) }, "element 0 is not in its place"},
		{"element twice", func(s *crdtpb.State) { s.Data = orset(member("x", at(0, 1)), member("x", at(0, 2))) }, "element 1 is not in its place"},
		{"dots out of order", func(s *crdtpb.State) { s.Data = orset(member("x", at(1, 1), at(0, 1))) }, "dots are not in order"},
		{"entry that holds nothing", func(s *crdtpb.State) { s.Data = ormap(&crdtpb.Entry{Data: flag}) }, "entry 0 is not in its place"},
		{"entry twice", func(s *crdtpb.State) {
			e := &crdtpb.Entry{Touched: []*crdtpb.Dot{at(0, 1)}, Data: flag}
			s.Data = ormap(e, e)
		}, "entry 1 is not in its place"},
		{"entry without data", func(s *crdtpb.State) { s.Data = ormap(&crdtpb.Entry{Touched: []*crdtpb.Dot{at(0, 1)}}) }, "data of no known type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := &crdtpb.State{
				Version: 1, Replicas: [][]byte{[]byte("a"), []byte("b")}, Seen: []*crdtpb.Seen{spans(1, 3), spans(1, 3, 5, 9)},
				Data: orset(member("x", at(0, 1), at(1, 9)), member("y", at(0, 2))),
			}
			tt.change(state)
			b, err := proto.Marshal(state)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Decode(b)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Decode: %v, want %q", err, tt.want)
			}
		})
	}
	for _, b := range [][]byte{nil, {0xff}, []byte("state")} {
		if _, err := Decode(b); err == nil {
			t.Errorf("Decode(%q): no error", b)
		}
	}
}

func TestMapsNestWithoutLimit(t *testing.T) {
	delta := pn(1)
	for range 3300 { // three messages each, and a reader takes 10,000
		delta = omAdd("k", delta)
	}
	d := new(Data)
	apply(t, d, "r", overTheWire(delta))
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "equal", d, got)
	same(t, "equal", joined(got, d), d)
	if _, init := d.Open(NewMembers("r")); !proto.Equal(init, delta) {
		t.Error("the init is not what was added")
	}
}

// FuzzDecode looks for bytes that make a state which can't be used.
func FuzzDecode(f *testing.F) {
	for _, d := range samples(f) {
		b, err := d.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Decode(b)
		if err != nil {
			return
		}
		canonical, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(canonical)
		if err != nil {
			t.Fatalf("what was decoded can't be: %v", err)
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(canonical, second) {
			t.Fatalf("encoded in two ways (%v)", err)
		}
		m := NewMembers("me", "other")
		v, _ := d.Open(m)
		if d.Merge(again) {
			t.Fatal("the same state is news")
		}
		if delta, err := d.Delta(v, m); delta != nil || err != nil {
			t.Fatalf("nothing happened, but the function is told %v, %v", delta, err)
		}
	})
}

// FuzzApply looks for deltas of a function that break the state, or leave it and
// the function apart. Each byte of cuts is the length of a delta in b.
func FuzzApply(f *testing.F) {
	for _, deltas := range [][]*cloudstate.CrdtDelta{
		{gc(1), gc(2), pn(1)}, {flg(false), flg(true), flg(false)}, {reg("a"), regAt("b", 1, 0), regAt("c", 2, 5)},
		{ors("", "a b"), ors("a", "c"), orsClear("")}, {gs("a"), gs("b")}, {vt(true, 0, 0), vt(false, 0, 0)},
		{omAdd("a", gc(1), "b", omAdd("c", reg("x"))), omUpdate("b", omUpdate("c", reg("y"))), omRemove("a")},
	} {
		var b, cuts []byte
		for _, d := range deltas {
			m, err := proto.Marshal(d)
			if err != nil {
				f.Fatal(err)
			}
			b, cuts = append(b, m...), append(cuts, byte(len(m)))
		}
		f.Add(b, cuts)
	}
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		m := NewMembers("me", "other")
		mine, theirs := new(Data), new(Data)
		view, _ := mine.Open(m)
		away, _ := theirs.Open(m)
		var function *plain
		for i, n := range cuts {
			delta := new(cloudstate.CrdtDelta)
			n := min(int(n), len(b))
			if proto.Unmarshal(b[:n], delta) != nil {
				return
			}
			b = b[n:]
			if i%3 == 2 { // some of them elsewhere, unseen
				_ = theirs.Apply(away, delta, "other", noon) // both outcomes are right
				mine.Merge(theirs)
			} else if err := mine.Apply(view, delta, "me", noon); err == nil {
				function = made(function, delta)
			}
		}
		delta, err := mine.Delta(view, m)
		if err != nil {
			return // two types at once
		}
		if delta != nil {
			function = received(function, overTheWire(delta))
		}
		if function.String() != initOf(mine, m).String() {
			t.Fatalf("function has %v, a new one %v", function, initOf(mine, m))
		}
		reload(t, mine)
	})
}

func initOf(d *Data, m *Members) *plain {
	if _, init := d.Open(m); init != nil {
		return received(nil, overTheWire(init))
	}
	return nil
}

// reload encodes and decodes a state, which must be the same then.
func reload(t *testing.T, d *Data) {
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "equal", d, read)
}
