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
	m := &placementpb.Table{
		Members: make([]*placementpb.Member, len(t.Members)),
		Owners:  make([]uint32, Count),
		Epochs:  make([]uint64, Count),
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
	for s, o := range t.Shards {
		m.Owners[s], m.Epochs[s] = at[o.Owner], uint64(o.Epoch)
		if o.Dirty {
			dirty[s/8] |= 1 << (s % 8)
		}
	}
	m.Dirty = trimmed(dirty[:])
	for _, w := range t.Weights.Percent {
		m.Weights.Weights = append(m.Weights.Weights, &placementpb.Weight{Revision: w.Revision, Percent: uint32(w.Percent)})
	}
	for _, name := range slices.Sorted(maps.Keys(t.Layout.Keys)) {
		m.Layout.Entities = append(m.Layout.Entities, &placementpb.Entity{Name: name, Key: t.Layout.Keys[name]})
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return entity.Placement{}, fmt.Errorf("encode placement: %w", err)
	}
	return entity.Placement{Incarnation: t.Incarnation, Version: t.Version, NextMember: t.NextMember, Table: b}, nil
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
	err := errors.Join(t.decodeMembers(m.GetMembers()), t.decodeShards(m), t.decodeWeights(m.GetWeights()), t.decodeLayout(m.GetLayout()))
	if err != nil {
		return nil, fmt.Errorf("placement %d: %w", p.Version, err)
	}
	return t, nil
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

func (t *Table) decodeShards(m *placementpb.Table) error {
	owners, epochs := m.GetOwners(), m.GetEpochs()
	if len(owners) != len(epochs) || len(owners) != 0 && len(owners) != Count || len(m.GetDirty()) > Count/8 {
		return fmt.Errorf("%d owners and %d epochs of shards, %d bytes of bits", len(owners), len(epochs), len(m.GetDirty()))
	}
	for s, at := range owners {
		o := &t.Shards[s]
		if at > 0 && int(at) > len(t.Members) || int64(epochs[s]) < 0 {
			return fmt.Errorf("shard %d has owner %d of %d, epoch %d", s, at, len(t.Members), int64(epochs[s]))
		}
		if at > 0 {
			o.Owner = t.Members[at-1].ID
		}
		o.Epoch = int64(epochs[s])
	}
	for i, b := range m.GetDirty() {
		for bit := range 8 {
			t.Shards[8*i+bit].Dirty = b&(1<<bit) != 0
		}
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
