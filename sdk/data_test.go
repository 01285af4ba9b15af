// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// kinds are all types of data, by their names.
var kinds = []string{"gcounter", "pncounter", "gset", "orset", "register", "flag", "vote", "map", "fields"}

func dataOf(key string) Data {
	kind, _, _ := strings.Cut(key, "-")
	switch kind {
	case "gcounter":
		return &GCounter{}
	case "pncounter":
		return &PNCounter{}
	case "gset":
		return &GSet[int64]{}
	case "orset":
		return &ORSet[string]{}
	case "register":
		return &LWWRegister[string]{}
	case "flag":
		return &Flag{}
	case "vote":
		return &Vote{}
	case "fields":
		return Fields(map[string]Data{"a": &ORSet[string]{}, "b": &PNCounter{}})
	}
	return &ORMap[string, Data]{New: dataOf}
}

// touch does something to data by chance.
func touch(r *rand.Rand, data Data) {
	word := fmt.Sprint(r.IntN(6))
	switch d := data.(type) {
	case *GCounter:
		d.Increment(r.Uint64N(3))
	case *PNCounter:
		d.Add(r.Int64N(7) - 3)
	case *GSet[int64]:
		d.Add(r.Int64N(9))
	case *ORSet[string]:
		[]func(){func() { d.Add(word) }, func() { d.Add(word) }, func() { d.Remove(word) }, d.Clear}[r.IntN(4)]()
	case *LWWRegister[string]:
		d.Set(word)
	case *Flag:
		if r.IntN(4) == 0 {
			d.Enable()
		}
	case *Vote:
		d.Vote(r.IntN(2) == 0)
	case *fields:
		touch(r, d.of[[]string{"a", "b"}[r.IntN(2)]])
	case *ORMap[string, Data]:
		key := fmt.Sprintf("%s-%d", kinds[r.IntN(len(kinds))], r.IntN(2))
		switch n := r.IntN(20); {
		case n == 0:
			d.Clear()
		case n < 5:
			d.Remove(key)
		default:
			touch(r, d.Add(key))
		}
	}
}

// dump describes all that can be seen of data, but the votes of others.
func dump(data Data) string {
	switch d := data.(type) {
	case *GCounter:
		return fmt.Sprint(d.Value())
	case *PNCounter:
		return fmt.Sprint(d.Value())
	case *GSet[int64]:
		return fmt.Sprint(slices.Sorted(d.All()))
	case *ORSet[string]:
		return fmt.Sprint(slices.Sorted(d.All()))
	case *LWWRegister[string]:
		return d.Value()
	case *Flag:
		return fmt.Sprint(d.Enabled())
	case *Vote:
		return fmt.Sprint(d.Self())
	case *fields:
		return dump(d.of["a"]) + dump(d.of["b"])
	case *ORMap[string, Data]:
		var all []string
		for key, v := range d.All() {
			all = append(all, key+"="+dump(v))
		}
		slices.Sort(all)
		return "{" + strings.Join(all, " ") + "}"
	}
	return "?"
}

func TestDeltasSayAllThatHasChangedAndRefusedCommandsChangeNothing(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(len(kind))))
			for range 50 {
				converge(t, r, dataOf(kind), dataOf(kind), 40)
			}
		})
	}
}

// converge does commands to data, some of which are refused, and lets twin know.
func converge(t *testing.T, r *rand.Rand, data, twin Data, commands int) {
	t.Helper()
	for n := range commands {
		before := dump(data)
		for range r.IntN(6) {
			touch(r, data)
		}
		if r.IntN(3) == 0 {
			data.settle(false)
			if after := dump(data); after != before {
				t.Fatalf("a refused command has changed\n%s\nto\n%s", before, after)
			}
			continue
		}
		changed := dump(data)
		d := data.pending(n == 0)
		data.settle(true)
		if d == nil && changed != before {
			t.Fatalf("nothing is said of the change from\n%s\nto\n%s", before, changed)
		}
		if again := data.pending(false); again != nil && !strings.Contains(again.String(), "lwwregister") {
			t.Fatalf("the change is said twice: %v", again)
		}
		if d == nil {
			continue
		}
		if err := twin.apply(proto.CloneOf(d)); err != nil {
			t.Fatalf("apply %v: %v", d, err)
		}
		if dump(data) != changed || dump(twin) != changed {
			t.Fatalf("after %v there is\n%s\nand\n%s\nbut was\n%s", d, dump(data), dump(twin), changed)
		}
	}
}

func TestADeltaOfAnotherTypeIsAnError(t *testing.T) {
	for _, kind := range kinds {
		for _, other := range kinds {
			d := dataOf(other).pending(true)
			same := kind == other || kind == "map" && other == "fields" || kind == "fields" && other == "map"
			if err := dataOf(kind).apply(d); (err == nil) != same {
				t.Errorf("a delta of a %s for a %s: %v", other, kind, err)
			}
		}
	}
}

func TestAVoteCountsItself(t *testing.T) {
	v := &Vote{}
	if v.For() != 0 || v.Voters() != 1 {
		t.Errorf("%d of %d are for it", v.For(), v.Voters())
	}
	err := v.apply(&cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Vote{Vote: &cloudstate.VoteDelta{SelfVote: true, VotesFor: 2, TotalVoters: 3}}})
	v.Vote(false)
	if err != nil || v.For() != 1 || v.Voters() != 3 || v.Self() {
		t.Errorf("%d of %d are for it, %v", v.For(), v.Voters(), err)
	}
	v.settle(false)
	if v.For() != 2 || !v.Self() {
		t.Errorf("%d are for it after a refusal", v.For())
	}
}

func TestElementsAreEncodedAsOthersDo(t *testing.T) {
	roundTrip(t, "", "p.cloudstate.io/string", nil)
	roundTrip(t, "é", "p.cloudstate.io/string", []byte{0x0a, 2, 0xc3, 0xa9})
	roundTrip(t, true, "p.cloudstate.io/bool", []byte{0x08, 1})
	roundTrip(t, int32(-1), "p.cloudstate.io/int32", []byte{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	roundTrip(t, int64(300), "p.cloudstate.io/int64", []byte{0x08, 0xac, 2})
	roundTrip(t, uint32(300), "p.cloudstate.io/uint32", []byte{0x08, 0xac, 2})
	roundTrip(t, uint64(math.MaxUint64), "p.cloudstate.io/uint64", []byte{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	roundTrip(t, float32(1), "p.cloudstate.io/float", []byte{0x0d, 0, 0, 0x80, 0x3f})
	roundTrip(t, float64(1), "p.cloudstate.io/double", []byte{0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f})
	b, err := decode[[]byte](encode([]byte("x")).any())
	if err != nil || string(b) != "x" {
		t.Errorf("decoded %q, %v", b, err)
	}
	d, err := decode[*durationpb.Duration](encode(durationpb.New(7)).any())
	if err != nil || d.GetNanos() != 7 {
		t.Errorf("decoded %v, %v", d, err)
	}
}

func roundTrip[T comparable](t *testing.T, v T, url string, value []byte) {
	t.Helper()
	a := encode(v).any()
	if a.GetTypeUrl() != url || !bytes.Equal(a.GetValue(), value) {
		t.Errorf("%T %v is encoded as %s %x", v, v, a.GetTypeUrl(), a.GetValue())
	}
	if back, err := decode[T](a); err != nil || back != v {
		t.Errorf("%v came back as %v, %v", v, back, err)
	}
}

func TestElementsThatCannotBeDecoded(t *testing.T) {
	for _, a := range []*anypb.Any{
		{TypeUrl: "p.cloudstate.io/int64", Value: []byte{8, 1}},
		{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x0a, 9}},
		{TypeUrl: "p.cloudstate.io/string", Value: []byte{0xff}},
	} {
		if v, err := decode[string](a); err == nil {
			t.Errorf("%v was decoded as %q", a, v)
		}
	}
	defer func() {
		if err, ok := recover().(*misuse); !ok || !strings.Contains(err.Error(), "a int can't be replicated") {
			t.Errorf("an int as an element: %v", err)
		}
	}()
	(&GSet[int]{}).Add(1)
}
