// SPDX-License-Identifier: Apache-2.0

package member

import (
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/shard"
)

// outputs returns what is to be done, of one kind.
func outputs(m *Machine, do Do) (all []Output) {
	for _, o := range m.Outputs() {
		if o.Do == do {
			all = append(all, o)
		}
	}
	m.Forget()
	return all
}

// second makes the table and the machine of the first of two members, that owns
// everything, and lets it begin to give the other one its share.
func second(t *testing.T) (*Machine, *shard.Table) {
	t.Helper()
	layout := shard.NewLayout(nil)
	alone, first, err := shard.New("i").Join(shard.Process{Nonce: "a"}, layout, nil)
	if err != nil {
		t.Fatal(err)
	}
	both, _, err := alone.Join(shard.Process{Nonce: "b"}, layout, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := New(&Settings{
		Lease: 6 * time.Second, Beat: 2 * time.Second, Margin: 500 * time.Millisecond, Quiet: time.Second, Moves: 1,
		Drain: 10 * time.Second, Retry: 500 * time.Millisecond, Jitter: func(d time.Duration) time.Duration { return d },
	}, Newcomer{Process: shard.Process{Nonce: "a"}, Layout: layout, Lanes: 1})
	m.Start(0)
	m.Transacted(outputs(m, Transact)[0].Op, alone, first, nil, 0)
	m.Learned(both, 0)
	return m, both
}

// drains returns the one Drain that follows when the other member is ready at
// that time.
func drains(t *testing.T, m *Machine, now time.Duration) Output {
	t.Helper()
	m.Ready(2, now)
	all := outputs(m, Drain)
	if len(all) != 1 {
		t.Fatalf("%d shards are drained, want 1", len(all))
	}
	return all[0]
}

// TestDrainedOfAnEarlierTurn has the word that a shard is drained come when it
// has been resumed, and is drained again.
func TestDrainedOfAnEarlierTurn(t *testing.T) {
	m, both := second(t)
	first := drains(t, m, 2*time.Second)
	leaving := both.Leave(2, true)
	m.Learned(leaving, 3*time.Second)
	if all := outputs(m, Resume); len(all) != 1 || all[0].Shard != first.Shard {
		t.Fatalf("resumed is %v, want shard %d", all, first.Shard)
	}
	m.Learned(leaving.Leave(2, false), 4*time.Second)
	again := drains(t, m, 6*time.Second)
	if again.Shard != first.Shard || again.Epoch != first.Epoch {
		t.Fatalf("drained is %v, and before it %v", again, first)
	}
	m.Drained(first.Shard, first.Turn, false, 7*time.Second)
	if all := outputs(m, Transact); len(all) != 0 {
		t.Fatalf("a shard with commands under way is sent away: %v", all[0].Op)
	}
	m.Drained(again.Shard, again.Turn, false, 8*time.Second)
	if all := outputs(m, Transact); len(all) != 1 || all[0].Op.Kind != HandOver {
		t.Fatalf("transitions %v, want a hand-over", all)
	}
}
