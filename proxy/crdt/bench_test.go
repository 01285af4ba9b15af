// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"fmt"
	"testing"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// opened returns a replica with a set of n elements, and its function's view.
func opened(b *testing.B, by Replica, n int) (*Data, *View) {
	d := new(Data)
	v, _ := d.Open(NewMembers(by))
	add := &cloudstate.ORSetDelta{}
	for i := range n {
		add.Added = append(add.Added, el(fmt.Sprintf("%s, element %d", by, i)))
	}
	if err := d.Apply(v, orsetDelta(add), by, noon); err != nil {
		b.Fatal(err)
	}
	return d, v
}

// A counter update is what a command with a LOCAL write costs here: the change and
// the look for something that the function doesn't know.
func BenchmarkCounterUpdate(b *testing.B) {
	d := new(Data)
	m := NewMembers("replica-0123456789")
	v, _ := d.Open(m)
	delta := pn(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Apply(v, delta, "replica-0123456789", noon); err != nil {
			b.Fatal(err)
		}
		if told, err := d.Delta(v, m); told != nil || err != nil {
			b.Fatal(told, err)
		}
	}
}

func BenchmarkORSetAddAt1000(b *testing.B) {
	d, v := opened(b, "replica-0123456789", 1000)
	var ring [64]*cloudstate.CrdtDelta // so that the set stays about as large
	for i := range ring {
		ring[i] = ors(fmt.Sprintf("new-%d", (i+32)%64), fmt.Sprintf("new-%d", i))
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Apply(v, ring[i%64], "replica-0123456789", noon); err != nil {
			b.Fatal(err)
		}
		if told, err := d.Delta(v, v.members); told != nil || err != nil {
			b.Fatal(told, err)
		}
		i++
	}
}

// A merge of two sets of 1,000 elements that differ in one.
func BenchmarkMergeORSet1000(b *testing.B) {
	d, _ := opened(b, "replica-0123456789", 1000)
	whole := joined(d)
	apply(b, whole, "replica-abcdefghij", ors("", "one more"))
	b.ReportAllocs()
	for b.Loop() {
		d.Merge(whole)
	}
}

// The same as a part: what the other side lacks.
func BenchmarkMergePartORSet1000(b *testing.B) {
	d, _ := opened(b, "replica-0123456789", 1000)
	whole := joined(d)
	apply(b, whole, "replica-abcdefghij", ors("", "one more"))
	part := whole.Since(d.Seen())
	b.ReportAllocs()
	for b.Loop() {
		d.Merge(part)
	}
}

// What a function is told after a merge that changed one element of 1,000.
func BenchmarkDeltaORSet1000(b *testing.B) {
	d, v := opened(b, "replica-0123456789", 1000)
	o := joined(d)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		apply(b, o, "replica-abcdefghij", ors(fmt.Sprintf("n%d", i-1), fmt.Sprintf("n%d", i)))
		d.Merge(o)
		i++
		b.StartTimer()
		if told, err := d.Delta(v, v.members); told == nil || err != nil {
			b.Fatal(told, err)
		}
	}
}

func BenchmarkEncodeORSet1000(b *testing.B) {
	d, _ := opened(b, "replica-0123456789", 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
