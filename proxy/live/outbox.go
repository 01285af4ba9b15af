// SPDX-License-Identifier: Apache-2.0

package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
)

// An Outbox gives out the ids of rows and says how many an instance has.
type Outbox interface {
	// Next returns an id that was never given out before.
	Next() entity.OutboxID

	// Full reports whether source has so many rows that it must not get more.
	Full(source entity.Key) bool
}

// purgeAfter is how long the events of an instance stay that was deleted, unless
// the function says so: whoever is told of them has that long to take them in.
const purgeAfter = 24 * time.Hour

// asks is the metadata of an effect by which the function asks that it is not
// kept: if the process ends before it was carried out, it never is.
const (
	asks   = "kairn-effect"
	forget = "fire-and-forget"
)

// enlist makes rows of the outbox of what the function asks for in its answer to
// c, to be stored with what c writes. What is left of it is carried out once and
// not kept: the effects that the function wants so, and a forward of a command
// that stores nothing else, of which nothing is lost but the forward.
func (in *awake) enlist(c *instance.Command, d *instance.Decision) {
	box := in.set.Outbox
	o := &d.Outcome
	gone := d.Write.Snapshot != nil && d.Write.Snapshot.Deleted
	told := len(d.Write.Events) > 0 && len(in.Consumers) > 0
	if box == nil || len(o.Effects) == 0 && o.Forward == nil && !gone && !told {
		return
	}
	row := entity.OutboxRow{Source: in.key, Depth: c.Call.Depth + 1}
	now := time.UnixMilli(c.Answered.UnixMilli())
	rows := make([]entity.OutboxRow, 0, len(o.Effects)+2)
	if told {
		rows = append(rows, in.notices(d.Write.Events, row.Depth)...)
	}
	if gone {
		rows = append(rows, entity.OutboxRow{Source: in.key, Kind: entity.Purge, Seq: d.Write.Snapshot.Seq, Due: now.Add(cmp.Or(d.Keep, purgeAfter))})
	}
	var left []entity.Effect
	for _, e := range o.Effects {
		if loose(&e) {
			left = append(left, e)
			continue
		}
		row.Kind, row.Target, row.Synchronous = entity.SideEffect, e.Target, e.Synchronous
		rows = append(rows, row)
	}
	if o.Forward != nil && o.Err == nil && (len(rows) > 0 || !d.Write.Empty() || c.Call.Key != "") {
		row.Kind, row.Target, row.Synchronous = entity.Forward, *o.Forward, true
		rows = append(rows, row)
	}
	if len(rows) > 0 && box.Full(in.key) {
		err := fmt.Errorf("too much that %v has led to is still to be done: %w", in.key, entity.ErrOverloaded)
		*d = instance.Decision{Outcome: entity.Outcome{Err: err}, Write: entity.Write{Key: in.key}, Restart: true}
		return
	}
	for i := range rows {
		rows[i].ID, rows[i].Since = box.Next(), now
		rows[i].Target.Meta = rows[i].Target.Meta.WithTrace(c.Call.Metadata)
		if rows[i].Kind == entity.Forward {
			o.ForwardKey = rows[i].ID.Key()
		}
	}
	o.Effects, d.Write.Outbox = left, rows
}

// notices returns the rows that tell the consumers of events.
func (in *awake) notices(events []entity.Event, depth int) []entity.OutboxRow {
	rows := make([]entity.OutboxRow, len(in.Consumers))
	for i, c := range in.Consumers {
		rows[i] = entity.OutboxRow{
			Source: in.key, Kind: entity.EventNotice, Depth: depth,
			Target: entity.Target{Service: c.Service, Command: c.Group},
			After:  events[0].Seq - 1, Seq: events[len(events)-1].Seq,
		}
	}
	return rows
}

// loose reports whether the function doesn't want e to be kept, and takes the
// word for that away.
func loose(e *entity.Effect) bool {
	i := slices.IndexFunc(e.Meta, func(m entity.MetadataEntry) bool {
		return strings.EqualFold(m.Name, asks) && m.Value == forget
	})
	if i < 0 {
		return false
	}
	e.Meta = slices.Delete(slices.Clone(e.Meta), i, i+1)
	return true
}
