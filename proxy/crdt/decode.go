// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// maxDepth is how deep messages may lie in each other in an encoding. A delta can
// be 10,000 deep, and an encoding is a few deeper than the deltas that led to it.
const maxDepth = 10_100

// Decode returns the state that b is the encoding of. It refuses what
// [Data.Encode] does not write: another version, dots that were never seen, lists
// that are out of order.
func Decode(b []byte) (*Data, error) {
	var state crdtpb.State
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(b, &state); err != nil {
		return nil, fmt.Errorf("decoding a CRDT: %w", err)
	}
	d, err := decode(&state)
	if err != nil {
		return nil, fmt.Errorf("decoding a CRDT: %w", err)
	}
	return d, nil
}

func decode(state *crdtpb.State) (*Data, error) {
	d := &Data{life: state.GetLife(), deleted: state.GetDeleted(), seen: make(history, len(state.GetReplicas()))}
	switch {
	case state.GetVersion() != version:
		return nil, fmt.Errorf("version %d of the encoding, not %d", state.GetVersion(), version)
	case len(state.ProtoReflect().GetUnknown()) > 0:
		return nil, errors.New("unknown fields")
	case d.deleted && (len(state.GetReplicas()) > 0 || state.GetData() != nil):
		return nil, errors.New("deleted, yet with data")
	case len(state.GetSeen()) != len(state.GetReplicas()):
		return nil, fmt.Errorf("%d replicas, but %d seen", len(state.GetReplicas()), len(state.GetSeen()))
	}
	r := &reader{seen: d.seen}
	for i, by := range state.GetReplicas() {
		spans, err := readSpans(state.GetSeen()[i].GetSpans())
		if err != nil {
			return nil, err
		}
		if len(by) == 0 || len(by) > maxReplica || i > 0 && Replica(by) <= r.replicas[i-1] {
			return nil, fmt.Errorf("replica %q is not in its place", by)
		}
		d.seen[Replica(by)] = spans
		r.replicas = append(r.replicas, Replica(by))
	}
	if state.GetData() != nil {
		d.root = r.data(state.GetData())
	}
	return d, r.err
}

func readSpans(list []*crdtpb.Span) ([]span, error) {
	spans := make([]span, len(list))
	var end uint64 // of the span before and the gap after it
	for i, s := range list {
		spans[i] = span{s.GetFirst(), s.GetLast()}
		if s.GetFirst() <= end || s.GetLast() < s.GetFirst() || s.GetLast() >= math.MaxInt64 {
			return nil, fmt.Errorf("numbers %d to %d seen after %d", s.GetFirst(), s.GetLast(), end)
		}
		end = s.GetLast() + 1
	}
	if len(spans) == 0 {
		return nil, errors.New("replica of which nothing was seen")
	}
	return spans, nil
}

// A reader makes the parts of a state of messages. It remembers the first thing
// that was wrong.
type reader struct {
	replicas []Replica
	seen     history
	err      error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) dot(msg *crdtpb.Dot) dot {
	if int64(msg.GetReplica()) >= int64(len(r.replicas)) {
		r.fail("dot of replica %d of %d", msg.GetReplica(), len(r.replicas))
		return dot{}
	}
	d := dot{r.replicas[msg.GetReplica()], msg.GetNumber()}
	if !r.seen.has(d) {
		r.fail("dot %d of replica %q was not seen", d.n, d.by)
	}
	return d
}

func (r *reader) dots(list []*crdtpb.Dot) dotSet {
	dots := make(dotSet, len(list))
	for i, msg := range list {
		dots[i] = r.dot(msg)
		if i > 0 && compareDots(dots[i-1], dots[i]) >= 0 {
			r.fail("dots are not in order")
		}
	}
	return dots
}

func (r *reader) element(msg *crdtpb.Element) element {
	return element{msg.GetTypeUrl(), string(msg.GetValue())}
}

func (r *reader) data(msg *crdtpb.Data) node {
	switch d := msg.GetData().(type) {
	case *crdtpb.Data_Gcounter:
		return &gcounter{r.counts(d.Gcounter, 1)}
	case *crdtpb.Data_Pncounter:
		return &pncounter{r.counts(d.Pncounter, math.MinInt64)}
	case *crdtpb.Data_Gset:
		return &gset{r.elements(d.Gset)}
	case *crdtpb.Data_Orset:
		return &orset{r.elements(d.Orset)}
	case *crdtpb.Data_Lwwregister:
		return &lwwregister{r.writes(d.Lwwregister)}
	case *crdtpb.Data_Flag:
		return &flag{r.dots(d.Flag.GetDots())}
	case *crdtpb.Data_Ormap:
		return &ormap{r.entries(d.Ormap)}
	case *crdtpb.Data_Vote:
		return &vote{r.counts(d.Vote, 1)}
	}
	r.fail("data of no known type")
	return &flag{}
}

// share adds a replica's share to s. They come in the order of replicas.
func addShare[V any](r *reader, s shares[V], last Replica, d dot, v V) Replica {
	if d.by <= last {
		r.fail("replica %q is not in its place", d.by)
	}
	s[d.by] = share[V]{d.n, v}
	return d.by
}

func (r *reader) counts(msg *crdtpb.Counts, least int64) shares[int64] {
	s := make(shares[int64], len(msg.GetCounts()))
	var last Replica
	for _, c := range msg.GetCounts() {
		last = addShare(r, s, last, r.dot(c.GetDot()), c.GetAmount())
		if c.GetAmount() < least {
			r.fail("count %d", c.GetAmount())
		}
	}
	return s
}

func (r *reader) writes(msg *crdtpb.Writes) shares[write] {
	s := make(shares[write], len(msg.GetWrites()))
	var last Replica
	for _, w := range msg.GetWrites() {
		last = addShare(r, s, last, r.dot(w.GetDot()), write{r.element(w.GetValue()), w.GetClock()})
	}
	return s
}

func (r *reader) elements(msg *crdtpb.Elements) elements {
	s := make(elements, len(msg.GetMembers()))
	var last element
	for i, m := range msg.GetMembers() {
		e := r.element(m.GetElement())
		if s[e] = r.dots(m.GetAdded()); len(s[e]) == 0 || i > 0 && compareElements(last, e) >= 0 {
			r.fail("element %d is not in its place", i)
		}
		last = e
	}
	return s
}

func (r *reader) entries(msg *crdtpb.Entries) map[element][]entry {
	keys := make(map[element][]entry, len(msg.GetEntries()))
	var last element
	var lastKind Kind
	for i, m := range msg.GetEntries() {
		key, e := r.element(m.GetKey()), entry{r.dots(m.GetTouched()), r.data(m.GetData())}
		kind := e.value.kind()
		if e.empty() || i > 0 && cmp.Or(compareElements(last, key), int(lastKind-kind)) >= 0 {
			r.fail("entry %d is not in its place", i)
		}
		keys[key] = append(keys[key], e)
		last, lastKind = key, kind
	}
	return keys
}
