// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"errors"
	"iter"
	"slices"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// A flag is enabled once somebody has enabled it; only with the key that it is
// under can it be disabled.
type flag struct{ enabled dotSet }

func (f *flag) kind() Kind { return Flag }

func (f *flag) merge(other node, j *join) { f.enabled = j.dots(f.enabled, other.(*flag).enabled) }

func (f *flag) without(known history) node { return &flag{f.enabled.without(known)} }

func (f *flag) dots() iter.Seq[dot] { return slices.Values(f.enabled) }

func (f *flag) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	if !delta.GetFlag().GetValue() {
		return false
	}
	f.enabled = dotSet{w.tick()}
	return true
}

func flagDelta(on bool) *cloudstate.CrdtDelta {
	d := &cloudstate.FlagDelta{Value: on}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Flag{Flag: d}}
}

func (f *flag) full(*Members) *cloudstate.CrdtDelta { return flagDelta(len(f.enabled) > 0) }

func (f *flag) delta(k *known, _ *Members) (*cloudstate.CrdtDelta, bool) {
	on := len(f.enabled) > 0
	if on == k.on {
		return nil, true
	}
	return flagDelta(true), on
}

func (f *flag) encode(e *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Flag{Flag: &crdtpb.Dots{Dots: e.dots(f.enabled)}}}
}

func (k *known) checkFlag(d *cloudstate.FlagDelta) error {
	if k.on && !d.GetValue() {
		return errors.New("an enabled Flag cannot be disabled")
	}
	return nil
}

func (k *known) learnFlag(d *cloudstate.FlagDelta) { k.on = k.on || d.GetValue() }
