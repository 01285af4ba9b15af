// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// replicas are those of the tests, in an order that is not that of time.
var replicas = []Replica{"r2", "r0", "r3", "r1"}

// A member is one replica in a test, with its function and its twin.
type member struct {
	twin
	data     *Data
	view     *View
	all      *Members
	function *plain
}

// GoString is what rapid shows of a member.
func (m *member) GoString() string { return string(m.by) }

func newMember(w *world, by Replica) *member {
	m := &member{data: new(Data)}
	m.twin = twin{w: w, by: by, knows: map[int]bool{}, members: replicas, now: time.UnixMilli(1000)}
	m.all = NewMembers(by, replicas...)
	m.open()
	return m
}

// open starts the function anew.
func (m *member) open() {
	view, init := m.data.Open(m.all)
	m.view, m.function = view, nil
	if init != nil {
		m.function = received(nil, overTheWire(init))
	}
}

// deliver tells the function what is new.
func (m *member) deliver(t *rapid.T) {
	delta, err := m.data.Delta(m.view, m.all)
	if err != nil {
		t.Fatalf("Delta: %v", err)
	}
	if delta != nil {
		m.function = received(m.function, overTheWire(delta))
	}
	if again, err := m.data.Delta(m.view, m.all); again != nil || err != nil {
		t.Fatalf("a second Delta has %v, %v", again, err)
	}
	if want := m.value("", m.kind); m.function.String() != want.String() {
		t.Fatalf("function at %s has\n%v, the twin\n%v", m.by, m.function, want)
	}
}

// overTheWire returns delta as the other end of a connection reads it.
func overTheWire(delta *cloudstate.CrdtDelta) *cloudstate.CrdtDelta {
	b, err := proto.Marshal(delta)
	if err != nil {
		panic(err)
	}
	read := new(cloudstate.CrdtDelta)
	if err := proto.Unmarshal(b, read); err != nil {
		panic(err)
	}
	return read
}

// act has the function make a change.
func (m *member) act(t *rapid.T, kind Kind) {
	m.now = time.UnixMilli(1000 + int64(rapid.IntRange(0, 20).Draw(t, "now")))
	delta := drawDelta(t, kind, m.function, 3)
	t.Logf("%s: %v", m.by, delta)
	if err := m.data.Apply(m.view, delta, m.by, m.now); err != nil {
		t.Fatalf("Apply(%v): %v", delta, err)
	}
	m.function = made(m.function, delta)
	m.apply("", delta)
}

// drawDelta draws a change that a function may make to p.
func drawDelta(t *rapid.T, kind Kind, p *plain, depth int) *cloudstate.CrdtDelta {
	names := func(label string) string { return rapid.SampledFrom([]string{"", "a", "b", "a c", "d"}).Draw(t, label) }
	switch kind {
	case GCounter:
		return gc(rapid.Uint64Range(0, 5).Draw(t, "increment"))
	case PNCounter:
		return pn(rapid.Int64Range(-5, 5).Draw(t, "change"))
	case GSet:
		return gs(names("added"))
	case ORSet:
		d := ors(names("removed"), names("added"))
		d.GetOrset().Cleared = rapid.IntRange(0, 5).Draw(t, "cleared") == 0
		return d
	case LWWRegister:
		value := rapid.SampledFrom([]string{"u", "v", "w"}).Draw(t, "value")
		clock := cloudstate.CrdtClock(rapid.IntRange(0, 3).Draw(t, "clock"))
		return regAt(value, clock, rapid.Int64Range(990, 1030).Draw(t, "custom"))
	case Flag:
		return flg(p != nil && p.on || rapid.Bool().Draw(t, "on"))
	case Vote:
		return vt(rapid.Bool().Draw(t, "self"), 7, 7) // what it says of others is ignored
	}
	var d cloudstate.ORMapDelta
	if p != nil {
		d.Cleared = rapid.IntRange(0, 9).Draw(t, "cleared") == 0
		d.Removed = els(names("removed"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "updates") {
		key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
		var old *plain
		if p != nil {
			old = p.entries[text(el(key))]
		}
		if old == nil {
			continue
		}
		d.Updated = append(d.Updated, entries(key, drawDelta(t, old.kind, old, depth-1))...)
	}
	for range rapid.IntRange(0, 1).Draw(t, "additions") {
		key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
		kinds := []Kind{GCounter, ORSet, ORMap, ORMap, PNCounter, GSet, LWWRegister, Flag, Vote}
		nested := rapid.SampledFrom(kinds).Draw(t, "kind")
		if depth == 0 {
			nested = PNCounter
		}
		d.Added = append(d.Added, entries(key, drawDelta(t, nested, nil, depth-1))...)
	}
	return om(&d)
}

// A letter is a state that was sent and may arrive whenever, and again.
type letter struct {
	state []byte
	knows map[int]bool
	kind  Kind
}

func (m *member) send(t *rapid.T, d *Data) letter {
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return letter{b, maps.Clone(m.knows), m.kind}
}

func (m *member) receive(t *rapid.T, l letter) {
	got, err := Decode(l.state)
	if err != nil {
		t.Fatal(err)
	}
	before, err := m.data.Encode()
	if err != nil {
		t.Fatal(err)
	}
	news := m.data.Merge(got)
	after, _ := m.data.Encode()
	if news == bytes.Equal(before, after) {
		t.Fatalf("Merge reports %v, state changed %v", news, !news)
	}
	m.merge(l.knows, l.kind)
}

// TestReplicasAreAsTheirTwins lets functions at several members change a value
// while states travel, are lost, repeated, overtaken. At any time each function is
// told the value that follows from the operations its member knows.
func TestReplicasAreAsTheirTwins(t *testing.T) {
	for kind := GCounter; kind <= Vote; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { simulate(t, kind, false) })
		})
	}
}

// TestPartialStatesConverge is as that, but parts of states arrive at members for
// whom they were not made, so that there are gaps; in the end all are equal.
func TestPartialStatesConverge(t *testing.T) {
	for _, kind := range []Kind{PNCounter, ORSet, LWWRegister, ORMap} {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { simulate(t, kind, true) })
		})
	}
}

func simulate(t *rapid.T, kind Kind, gaps bool) {
	w := new(world)
	var members []*member
	for _, by := range replicas {
		members = append(members, newMember(w, by))
	}
	var letters []letter
	draw := func(label string) *member { return rapid.SampledFrom(members).Draw(t, label) }
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		m := draw("member")
		switch rapid.IntRange(0, 7).Draw(t, "step") {
		case 0, 1, 2:
			m.act(t, kind)
		case 3:
			letters = append(letters, m.send(t, m.data))
		case 4: // to somebody in particular, and soon
			other := draw("reader")
			part := m.send(t, m.data.Since(other.data.Seen()))
			if gaps {
				letters = append(letters, part)
				other = draw("another")
			}
			other.receive(t, part)
		case 5:
			if len(letters) > 0 {
				m.receive(t, rapid.SampledFrom(letters).Draw(t, "letter"))
			}
		case 6:
			if !gaps {
				m.deliver(t)
			}
		case 7:
			m.members = slices.Concat([]Replica{m.by}, slices.DeleteFunc(slices.Clone(replicas), func(r Replica) bool {
				return r == m.by || rapid.Bool().Draw(t, "gone")
			}))
			m.all = NewMembers(m.by, m.members...)
			if rapid.Bool().Draw(t, "passivated") {
				m.open()
			}
		}
	}
	settle(t, members, gaps)
}

// settle lets everybody hear of everything.
func settle(t *rapid.T, members []*member, gaps bool) {
	for range 2 {
		for _, m := range members {
			for _, o := range members {
				m.receive(t, o.send(t, o.data))
			}
		}
	}
	want := members[0].send(t, members[0].data).state
	for _, m := range members {
		if got := m.send(t, m.data).state; !bytes.Equal(got, want) {
			t.Fatalf("%s has not the state of %s", m.by, members[0].by)
		}
		if gaps {
			continue // the twin doesn't know of parts
		}
		m.deliver(t)
	}
}

// TestMergeIsAJoin merges arbitrary states, whole and partial ones, in all orders.
func TestMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{GCounter, ORSet, LWWRegister, ORMap, ORMap}).Draw(t, "kind")
		w := new(world)
		var members []*member
		var states []*Data
		for _, by := range replicas {
			members = append(members, newMember(w, by))
		}
		for range rapid.IntRange(3, 20).Draw(t, "steps") {
			m := rapid.SampledFrom(members).Draw(t, "member")
			if m.data.ended(m.view) {
				m.open()
			}
			m.act(t, kind)
			o := rapid.SampledFrom(members).Draw(t, "other")
			states = append(states, m.data.Since(o.data.Seen()), m.data.Since(Context{}))
			if rapid.Bool().Draw(t, "merge") {
				o.receive(t, m.send(t, m.data))
			}
			if rapid.IntRange(0, 15).Draw(t, "delete") == 0 {
				o.data.Delete()
				o.open()
			}
		}
		pick := func(label string) *Data { return rapid.SampledFrom(states).Draw(t, label) }
		a, b, c := pick("a"), pick("b"), pick("c")
		same(t, "commutative", joined(a, b), joined(b, a))
		same(t, "associative", joined(joined(a, b), c), joined(a, joined(b, c)))
		same(t, "idempotent", joined(a, a), a)
		same(t, "absorbing", joined(joined(a, b), b), joined(a, b))
	})
}

func joined(states ...*Data) *Data {
	d := new(Data)
	for _, s := range states {
		d.Merge(s)
	}
	return d
}

func same(t interface{ Fatalf(string, ...any) }, what string, a, b *Data) {
	x, err := a.Encode()
	if err != nil {
		t.Fatalf("%v", err)
	}
	if y, err := b.Encode(); err != nil || !bytes.Equal(x, y) {
		t.Fatalf("not %s: %v", what, err)
	}
}
