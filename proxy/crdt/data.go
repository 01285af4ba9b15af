// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"errors"
	"fmt"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
)

var (
	// ErrDeleted reports that the instance was deleted after the function was
	// told of its value.
	ErrDeleted = errors.New("entity deleted")

	// ErrIncompatible reports that no delta leads from what the function knows
	// to what is there: it must be told from the beginning.
	ErrIncompatible = errors.New("value has changed in a way that no delta can say")
)

// Data is what one member holds of an instance. The zero Data holds nothing and
// is ready to use. It must not be used by two goroutines at once.
type Data struct {
	life    uint64
	deleted bool // this life is over
	seen    history
	root    node // nil if nothing was created

	// moved counts changes of the value that the function does not know of by
	// itself.
	moved uint64
}

// Kind returns the type of the data, zero if there is nothing.
func (d *Data) Kind() Kind {
	if d.root == nil {
		return 0
	}
	return d.root.kind()
}

// Deleted reports whether the instance was deleted, and not created again since.
func (d *Data) Deleted() bool { return d.deleted }

// Delete deletes the instance. Nothing that was or will be done to it anywhere
// in this life survives.
func (d *Data) Delete() {
	*d = Data{life: d.life, deleted: true, moved: d.moved + 1}
}

// Open begins to keep a function up to date. It returns the delta that creates
// the value in the function, nil if there is none.
func (d *Data) Open(m *Members) (*View, *cloudstate.CrdtDelta) {
	v := &View{life: d.current(), moved: d.moved, members: m}
	if d.root == nil {
		return v, nil
	}
	init := d.root.full(m)
	v.learn(d.root.kind(), init)
	return v, init
}

// learn notes that the function will apply delta.
func (v *View) learn(kind Kind, delta *cloudstate.CrdtDelta) {
	if v.value == nil {
		v.value = newKnown(kind)
	}
	v.value.learn(delta, false)
}

// Delta returns the delta that makes of the value which the function knows the
// one that is there, nil if they are equal. The function must get it: from now on
// it is taken to know. The error is [ErrDeleted] or [ErrIncompatible], and the
// view is of no use any more.
func (d *Data) Delta(v *View, m *Members) (*cloudstate.CrdtDelta, error) {
	switch {
	case d.ended(v):
		return nil, ErrDeleted
	case d.root == nil || v.moved == d.moved && v.members == m:
		return nil, nil
	case v.value != nil && v.value.kind != d.root.kind():
		return nil, fmt.Errorf("%v in place of %v: %w", d.root.kind(), v.value.kind, ErrIncompatible)
	}
	var delta *cloudstate.CrdtDelta
	if v.value == nil {
		delta = d.root.full(m)
	} else if change, ok := d.root.delta(v.value, m); ok {
		delta = change
	} else {
		return nil, fmt.Errorf("%v: %w", d.root.kind(), ErrIncompatible)
	}
	v.moved, v.members = d.moved, m
	if delta != nil {
		v.learn(d.root.kind(), delta)
	}
	return delta, nil
}

// current returns the life in which a function is that begins now.
func (d *Data) current() uint64 {
	if d.deleted {
		return d.life + 1
	}
	return d.life
}

// ended reports whether the life is over in which v has a value. A function
// without one goes on in the next life.
func (d *Data) ended(v *View) bool {
	if v.value == nil {
		v.life = d.current()
	}
	return v.life < d.current()
}

// Apply carries out a change that the function has made to the value of v, as
// replica by. An error, other than [ErrDeleted], means that the function broke the
// protocol; nothing is changed then.
func (d *Data) Apply(v *View, delta *cloudstate.CrdtDelta, by Replica, now time.Time) error {
	kind := kindOf(delta)
	switch {
	case by == "" || len(by) > maxReplica:
		return fmt.Errorf("replica id of %d bytes", len(by))
	case d.ended(v):
		return ErrDeleted
	case kind == 0:
		return fmt.Errorf("%w: %w", errEmpty, entity.ErrProtocol)
	case v.value != nil && v.value.kind != kind:
		return fmt.Errorf("%w: %w", mismatch(kind, "the function's value", v.value.kind), entity.ErrProtocol)
	case d.root != nil && d.root.kind() != kind:
		return fmt.Errorf("%w: %w", mismatch(kind, "the entity", d.root.kind()), entity.ErrProtocol)
	}
	know := v.value
	if know == nil {
		know = newKnown(kind)
	}
	if err := know.check(delta); err != nil {
		return fmt.Errorf("%w: %w", err, entity.ErrProtocol)
	}
	know.learn(delta, true)
	v.value = know
	d.create(v.life, kind)
	w := newWriter(d.seen, by, now)
	d.root.apply(w, delta)
	if w.astray {
		d.moved++
	}
	return nil
}

// create makes sure that there is a value in a life.
func (d *Data) create(life uint64, kind Kind) {
	if d.life < life {
		*d = Data{life: life, moved: d.moved}
	}
	if d.seen == nil {
		d.seen = history{}
	}
	if d.root == nil {
		d.root = newNode(kind)
	}
}

// Merge brings in what another member holds, or a part of that, which stays as it
// is. It reports whether that was news.
func (d *Data) Merge(o *Data) bool {
	switch {
	case o.life < d.life || o.life == d.life && d.deleted:
		return false
	case o.life > d.life:
		*d = Data{life: o.life, moved: d.moved + 1}
		d.Merge(o)
		return true
	case o.deleted:
		d.Delete()
		return true
	}
	value := d.mergeValue(o)
	if value {
		d.moved++
	}
	if d.seen == nil {
		d.seen = make(history, len(o.seen))
	}
	return d.seen.union(o.seen) || value
}

// mergeValue merges the values, not what was seen. It reports whether that
// changed anything.
func (d *Data) mergeValue(o *Data) bool {
	switch {
	case o.root == nil || d.root != nil && d.root.kind() < o.root.kind():
		return false
	case d.root == nil || o.root.kind() < d.root.kind():
		d.root = o.root.without(nil)
		return true
	}
	j := &join{mine: d.seen, theirs: o.seen}
	d.root.merge(o.root, j)
	return j.changed
}

// Seen returns what d has seen, for somebody else's [Data.Since].
func (d *Data) Seen() Context { return Context{d.life, d.seen.clone()} }

// Since returns the part of d that is news to a member that has seen c. To merge
// it there has the same effect as to merge d.
func (d *Data) Since(c Context) *Data {
	part := &Data{life: d.life, deleted: d.deleted, seen: d.seen.clone()}
	if d.root == nil {
		return part
	}
	var known history
	if c.life == d.life {
		known = c.seen
	}
	part.root = d.root.without(known)
	// What the other has seen and is still there must not look removed.
	var kept []dot
	for at := range d.root.dots() {
		if known.has(at) {
			kept = append(kept, at)
		}
	}
	part.seen.minus(kept)
	return part
}
