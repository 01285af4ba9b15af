// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// version is that of the encoding.
const version = 1

// Encode returns the encoding of d, the same for equal states.
func (d *Data) Encode() ([]byte, error) {
	state := &crdtpb.State{Version: version, Life: d.life, Deleted: d.deleted}
	c := &coder{position: make(map[Replica]uint32, len(d.seen))}
	for i, by := range slices.Sorted(maps.Keys(d.seen)) {
		c.position[by] = uint32(i)
		state.Replicas = append(state.Replicas, []byte(by))
		seen := &crdtpb.Seen{Spans: make([]*crdtpb.Span, len(d.seen[by]))}
		for i, s := range d.seen[by] {
			seen.Spans[i] = &crdtpb.Span{First: s.first, Last: s.last}
		}
		state.Seen = append(state.Seen, seen)
	}
	if d.root != nil {
		state.Data = d.root.encode(c)
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("encoding %v: %w", d.Kind(), err)
	}
	return b, nil
}

// A coder makes messages of the parts of a state.
type coder struct{ position map[Replica]uint32 }

func (c *coder) dot(d dot) *crdtpb.Dot {
	return &crdtpb.Dot{Replica: c.position[d.by], Number: d.n}
}

func (c *coder) dots(s dotSet) []*crdtpb.Dot {
	list := make([]*crdtpb.Dot, len(s))
	for i, d := range s {
		list[i] = c.dot(d)
	}
	return list
}

func (c *coder) element(e element) *crdtpb.Element {
	return &crdtpb.Element{TypeUrl: e.typeURL, Value: []byte(e.value)}
}

func (c *coder) counts(s shares[int64]) *crdtpb.Counts {
	list := make([]*crdtpb.Count, 0, len(s))
	for _, by := range slices.Sorted(maps.Keys(s)) {
		list = append(list, &crdtpb.Count{Dot: c.dot(dot{by, s[by].n}), Amount: s[by].value})
	}
	return &crdtpb.Counts{Counts: list}
}

func (c *coder) writes(s shares[write]) *crdtpb.Writes {
	list := make([]*crdtpb.Write, 0, len(s))
	for _, by := range slices.Sorted(maps.Keys(s)) {
		w := s[by].value
		list = append(list, &crdtpb.Write{Dot: c.dot(dot{by, s[by].n}), Value: c.element(w.value), Clock: w.clock})
	}
	return &crdtpb.Writes{Writes: list}
}

func (c *coder) elements(s elements) *crdtpb.Elements {
	list := make([]*crdtpb.Member, 0, len(s))
	for _, e := range sorted(s) {
		list = append(list, &crdtpb.Member{Element: c.element(e), Added: c.dots(s[e])})
	}
	return &crdtpb.Elements{Members: list}
}

func (c *coder) entries(keys map[element][]entry) *crdtpb.Entries {
	list := make([]*crdtpb.Entry, 0, len(keys))
	for _, key := range sorted(keys) {
		for _, e := range keys[key] {
			list = append(list, &crdtpb.Entry{Key: c.element(key), Touched: c.dots(e.touched), Data: e.value.encode(c)})
		}
	}
	return &crdtpb.Entries{Entries: list}
}
