// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/route"
)

// Journal is where events are read from.
type Journal interface {
	// Events yields the events of key after seq, in order. An Event's bytes
	// are valid until the next one is asked for.
	Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error]
}

// Methods is where events go.
type Methods interface {
	// Tell calls a method with an event of source and returns how that has
	// ended.
	Tell(ctx context.Context, m *route.Method, source entity.Key, call entity.Call) error
}

// A Config says what a Deliverer works with.
type Config struct {
	outbox.Calls // for rows that are no notices
	Journal      Journal
	Methods      Methods
	Catalogue    func() (*route.Catalogue, error)
	Time         time.Duration // that a method may take for one event
	AtOnce       int           // notices that are carried out at once
}

// A Deliverer carries out the rows of an outbox. Make it with [New].
type Deliverer struct {
	Config

	mu      sync.Mutex // protects what follows
	waiting []notice
	running int
}

// A notice is a row and who waits for it.
type notice struct {
	row  *entity.OutboxRow
	done func(entity.Answer)
}

// New returns a Deliverer.
func New(cfg Config) *Deliverer { return &Deliverer{Config: cfg} }

// To returns the consumer that row is for, or else what the calls say.
func (d *Deliverer) To(row *entity.OutboxRow) string {
	if row.Kind != entity.EventNotice {
		return d.Calls.To(row)
	}
	return "\x00" + row.Target.Service + "\x00" + row.Target.Command
}

// Deliver carries out row. It never blocks. Of a notice that fails row says then
// how far it has come.
func (d *Deliverer) Deliver(row *entity.OutboxRow, done func(entity.Answer)) {
	if row.Kind != entity.EventNotice {
		d.Calls.Deliver(row, done)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, notice{row, done})
	if d.running < d.AtOnce {
		d.running++
		go d.work()
	}
}

// work carries out notices until there are none.
func (d *Deliverer) work() {
	for {
		d.mu.Lock()
		if len(d.waiting) == 0 {
			d.running--
			d.mu.Unlock()
			return
		}
		n := d.waiting[0]
		d.waiting = slices.Delete(d.waiting, 0, 1)
		d.mu.Unlock()
		n.done(entity.Answer{Err: d.notify(n.row)})
	}
}

// What of a notice is carried out before others have their turn, and before it is
// stored how far it has come.
const (
	maxEvents = 64
	maxBytes  = 1 << 20
)

// notify gives the next events of row to its consumer.
func (d *Deliverer) notify(row *entity.OutboxRow) error {
	c, err := d.Catalogue()
	if err != nil {
		return err
	}
	consumer, log := consumerOf(c, row)
	if consumer == nil {
		return nil // it will be given all events if it comes back
	}
	ctx := context.Background() //nolint:forbidigo // the outbox waits for it, and each part has a time of its own
	events, err := d.read(ctx, row)
	if err != nil {
		return fmt.Errorf("events for %s: %w", consumer.Service, err)
	}
	for i := range events {
		if err := d.tell(ctx, consumer, log, row, &events[i]); err != nil {
			return err
		}
		row.After, row.Attempts = events[i].Seq, 0
	}
	if len(events) > 0 && row.After < row.Seq {
		return outbox.ErrMore
	}
	return nil
}

// read returns the next events that row is to tell of.
func (d *Deliverer) read(ctx context.Context, row *entity.OutboxRow) (events []entity.Event, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.Time)
	defer cancel()
	bytes := 0
	for e, err := range d.Journal.Events(ctx, row.Source, row.After) {
		if err != nil {
			return nil, err
		}
		if e.Seq > row.Seq {
			break
		}
		e.Value = slices.Clone(e.Value)
		events = append(events, e)
		if bytes += len(e.Value); len(events) == maxEvents || bytes >= maxBytes {
			break
		}
	}
	return events, nil
}

// consumerOf returns the consumer that row is for and the name of its log, nil if
// there is none now.
func consumerOf(c *route.Catalogue, row *entity.OutboxRow) (*route.Consumer, string) {
	for _, e := range c.Entities() {
		if e.Name != row.Source.Entity {
			continue
		}
		for _, consumer := range e.Consumers {
			if consumer.Service == row.Target.Service && consumer.Group == row.Target.Command {
				return consumer, e.PersistenceID
			}
		}
	}
	return nil, ""
}

func (d *Deliverer) tell(ctx context.Context, c *route.Consumer, log string, row *entity.OutboxRow, e *entity.Event) error {
	m := c.Method(e.TypeURL)
	if m == nil {
		return fmt.Errorf("no method of %s takes %s: %w", c.Service, e.TypeURL, entity.ErrUnimplemented)
	}
	ctx, cancel := context.WithTimeout(ctx, d.Time)
	defer cancel()
	as := *m
	as.InputURL = e.TypeURL // that a method which takes any event is given
	md := attributes(row.Source, log, e)
	err := d.Methods.Tell(ctx, &as, row.Source, entity.Call{
		Service: m.Service, Command: m.Name, Payload: e.Value,
		Metadata: append(md, row.Target.Meta...), Depth: row.Depth,
		Key: entity.EventKey(row.Source.Entity, idOf(row.Source, e), m.Name),
	})
	if err != nil {
		// What it wraps would say that a refused event is done with.
		if retried(err) {
			return fmt.Errorf("event %d of %v: %w", e.Seq, row.Source, err)
		}
		return fmt.Errorf("event %d of %v: %v", e.Seq, row.Source, err) //nolint:errorlint // see above
	}
	return nil
}
