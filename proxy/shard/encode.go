// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	placementpb "github.com/kairn-dev/kairn/proto/kairn/placement/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// Encode returns t as it is stored: some 4 KB, and about 100 bytes for each
// member.
func (t *Table) Encode() (entity.Placement, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(t.message(all[:]))
	if err != nil {
		return entity.Placement{}, fmt.Errorf("encode placement: %w", err)
	}
	return entity.Placement{Incarnation: t.Incarnation, Version: t.Version, NextMember: t.NextMember, Table: b}, nil
}

// all are all shards.
var all = func() (all [Count]uint32) {
	for s := range all {
		all[s] = uint32(s)
	}
	return all
}()

// message returns t with those of its shards that are named.
func (t *Table) message(shards []uint32) *placementpb.Table {
	m := &placementpb.Table{
		Members: make([]*placementpb.Member, len(t.Members)),
		Owners:  make([]uint32, len(shards)),
		Epochs:  make([]uint64, len(shards)),
		Weights: &placementpb.Weights{Generation: uint64(t.Weights.Generation)},
		Layout:  &placementpb.Layout{Hash: uint32(t.Layout.Hash), Shards: uint32(t.Layout.Shards)},
	}
	at := map[entity.Member]uint32{0: 0}
	for i, mb := range t.Members {
		at[mb.ID] = uint32(i + 1)
		m.Members[i] = &placementpb.Member{
			Id: uint64(mb.ID), Uid: mb.UID, Nonce: mb.Nonce, Born: mb.Born, Addr: mb.Addr,
			Revision: mb.Revision, Slot: uint32(mb.Slot), Leaving: mb.Leaving,
		}
	}
	var dirty [Count / 8]byte
	for i, s := range shards {
		o := t.Shards[s]
		m.Owners[i], m.Epochs[i] = at[o.Owner], uint64(o.Epoch)
		if o.Dirty {
			dirty[i/8] |= 1 << (i % 8)
		}
	}
	m.Dirty = trimmed(dirty[:])
	for _, w := range t.Weights.Percent {
		m.Weights.Weights = append(m.Weights.Weights, &placementpb.Weight{Revision: w.Revision, Percent: uint32(w.Percent)})
	}
	for _, name := range slices.Sorted(maps.Keys(t.Layout.Keys)) {
		m.Layout.Entities = append(m.Layout.Entities, &placementpb.Entity{Name: name, Key: t.Layout.Keys[name]})
	}
	return m
}

// trimmed returns b without the zeros at its end.
func trimmed(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

// Decode returns the table that p holds. It refuses one that no transition could
// have made.
func Decode(p entity.Placement) (*Table, error) {
	m := &placementpb.Table{}
	if err := proto.Unmarshal(p.Table, m); err != nil {
		return nil, fmt.Errorf("placement %d: %w", p.Version, err)
	}
	t := New(p.Incarnation)
	t.Version, t.NextMember = p.Version, max(p.NextMember, 1)
	if err := t.decode(m, all[:]); err != nil {
		return nil, fmt.Errorf("placement %d: %w", p.Version, err)
	}
	return t, nil
}

// decode reads m, which has those shards, or none.
func (t *Table) decode(m *placementpb.Table, shards []uint32) error {
	return errors.Join(t.decodeMembers(m.GetMembers()), t.decodeShards(m, shards), t.decodeWeights(m.GetWeights()), t.decodeLayout(m.GetLayout()))
}

// maxSlot is more than there can be members of a service.
const maxSlot = 1 << 12

func (t *Table) decodeMembers(members []*placementpb.Member) error {
	slots := map[Slot]bool{}
	last := entity.Member(0)
	for _, pb := range members {
		m := Member{
			ID: entity.Member(pb.GetId()), Slot: Slot(pb.GetSlot()), Leaving: pb.GetLeaving(),
			Process: Process{UID: pb.GetUid(), Nonce: pb.GetNonce(), Born: pb.GetBorn(), Addr: pb.GetAddr(), Revision: pb.GetRevision()},
		}
		switch {
		case m.ID <= last || m.ID >= t.NextMember:
			return fmt.Errorf("member %d follows member %d, and %d is to be the next", m.ID, last, t.NextMember)
		case slots[m.Slot] || m.Slot >= maxSlot:
			return fmt.Errorf("member %d has slot %d", m.ID, m.Slot)
		}
		last, slots[m.Slot] = m.ID, true
		t.Members = append(t.Members, m)
	}
	return nil
}

func (t *Table) decodeShards(m *placementpb.Table, shards []uint32) error {
	owners, epochs, dirty := m.GetOwners(), m.GetEpochs(), m.GetDirty()
	if len(owners) != len(epochs) || len(owners) != 0 && len(owners) != len(shards) || len(dirty) > Count/8 {
		return fmt.Errorf("%d owners and %d epochs of shards, %d bytes of bits", len(owners), len(epochs), len(dirty))
	}
	for i, at := range owners {
		s, epoch := shards[i], int64(epochs[i])
		if at > 0 && int(at) > len(t.Members) || epoch < 0 {
			return fmt.Errorf("shard %d has owner %d of %d, epoch %d", s, at, len(t.Members), epoch)
		}
		o := Owned{Epoch: epoch, Dirty: i/8 < len(dirty) && dirty[i/8]&(1<<(i%8)) != 0}
		if at > 0 {
			o.Owner = t.Members[at-1].ID
		}
		t.Shards[s] = o
	}
	return nil
}

func (t *Table) decodeWeights(w *placementpb.Weights) error {
	t.Weights.Generation = int64(w.GetGeneration())
	if t.Weights.Generation < 0 {
		return errors.New("weights have a generation below 0")
	}
	sum := 0
	for _, pb := range w.GetWeights() {
		if n := len(t.Weights.Percent); n > 0 && t.Weights.Percent[n-1].Revision >= pb.GetRevision() {
			return fmt.Errorf("weight of revision %q is out of order", pb.GetRevision())
		}
		if sum += int(pb.GetPercent()); pb.GetPercent() > 100 || sum > 100 {
			return errors.New("weights make more than 100 percent")
		}
		t.Weights.Percent = append(t.Weights.Percent, Weight{pb.GetRevision(), int(pb.GetPercent())})
	}
	return nil
}

func (t *Table) decodeLayout(l *placementpb.Layout) error {
	t.Layout = Layout{Hash: int(l.GetHash()), Shards: int(l.GetShards())}
	for _, e := range l.GetEntities() {
		if t.Layout.Keys == nil {
			t.Layout.Keys = map[string]string{}
		}
		if _, ok := t.Layout.Keys[e.GetName()]; ok {
			return fmt.Errorf("layout names %s twice", e.GetName())
		}
		t.Layout.Keys[e.GetName()] = e.GetKey()
	}
	return nil
}
