// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// BenchmarkCommit measures commits of one lane, of one event of 100 bytes to
// each of 1, 8 and 64 of 1,000 keys. It reports what the whole process used.
func BenchmarkCommit(b *testing.B, s Store) {
	const keys = 1000
	var next [keys]entity.Seq
	writes := make([]entity.Write, keys)
	value := large(100, "bench")
	for i := range writes {
		next[i] = 1
		writes[i].Key = entity.Key{Entity: "shop.ShoppingCart/shopping-cart", ID: fmt.Sprint("user-", i)}
		writes[i].Events = []entity.Event{{Payload: entity.Payload{TypeURL: "type.googleapis.com/shop.ItemAdded", Value: value}}}
	}
	for _, group := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("group=", group), func(b *testing.B) {
			m, err := s.Join(b.Context(), 1)
			if err != nil {
				b.Fatal(err)
			}
			at := entity.Position{Member: m}
			batch := make([]entity.Write, group)
			at0, cpu := 0, cpuTime(b)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					k := (at0 + i*7) % keys
					writes[k].Events[0].Seq = next[k]
					next[k]++
					batch[i] = writes[k]
				}
				at0++
				if err := s.Commit(b.Context(), at, batch); err != nil {
					b.Fatal(err)
				}
				at.N++
			}
			n := float64(b.N * group)
			b.ReportMetric(n/b.Elapsed().Seconds(), "writes/s")
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/n, "cpu-µs/write")
		})
	}
}

// BenchmarkReplay measures reading all events of a key with 100,000 of them.
func BenchmarkReplay(b *testing.B, s Store) {
	const n, group = 100_000, 1000
	m, err := s.Join(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	for i := range int64(n / group) {
		from := entity.Seq(i*group + 1)
		if err := s.Commit(b.Context(), entity.Position{Member: m, N: i}, []entity.Write{added(cart, from, from+group-1)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		for _, err := range s.Events(b.Context(), cart, 0) {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != n {
			b.Fatalf("read %d events", got)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "events/s")
}

// cpuTime returns how much CPU this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
