// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A Keeper keeps the lanes and the instances of this process.
type Keeper interface {
	// Do carries out what the member has to do about itself and its shards:
	// [member.Begin], [member.Open] and those after it. It is called in order,
	// by one goroutine, and must not block. What it says takes effect before it
	// returns: no command is taken for a shard after Drain.
	Do(what member.Output)
}

// Peers are the other members.
type Peers interface {
	// Ready returns nil if a member can take shards.
	Ready(ctx context.Context, m shard.Member) error
}

// A Config says who a process is and what it works with.
type Config struct {
	Settings member.Settings
	Self     member.Newcomer
	Store    Store
	Peers    Peers
	Keeper   Keeper

	// Usable reports whether the user function can be used; it is asked with every
	// beat. While it can't, the member gives its shards away, if there are others.
	Usable func() bool

	// Clock is the process's own. It may begin anywhere, but must not stand
	// still while the machine sleeps: see [Clock].
	Clock func() time.Duration

	// Limit is how long a call of the store or of a peer may take.
	Limit time.Duration
}

// A Cluster is this process's membership. Make it with [New], run it with
// [Cluster.Run], before which its Config may still be changed.
type Cluster struct {
	Config
	log     *slog.Logger
	machine *member.Machine              // owned by Run
	said    chan func(now time.Duration) // what happened, to Run
	done    chan struct{}                // closed when Run is about to return
	calls   sync.WaitGroup
	left    bool // owned by Run

	until atomic.Int64          // may answer before that, by Clock
	known atomic.Pointer[known] // never nil
	wrong atomic.Pointer[error] // why the last try to join came to nothing; nil if it did not
}

// A known is the newest table that is known, nil if none is, and when that ends.
type known struct {
	table *shard.Table
	over  chan struct{} // closed when there is a newer one
}

// New returns a process that is no member yet.
func New(log *slog.Logger, cfg Config) *Cluster {
	c := &Cluster{Config: cfg, log: log, said: make(chan func(time.Duration)), done: make(chan struct{})}
	c.known.Store(&known{over: make(chan struct{})})
	return c
}

// Alive reports whether the member may answer without writing, now.
func (c *Cluster) Alive() bool { return int64(c.Clock()) < c.until.Load() }

// Table returns the newest table that is known, nil if none is. The Keeper has
// done what there was to be done about it.
func (c *Cluster) Table() *shard.Table { return c.known.Load().table }

// Await returns the newest table that is known as soon as that is another one than
// before, which may be nil.
func (c *Cluster) Await(ctx context.Context, before *shard.Table) (*shard.Table, error) {
	for {
		k := c.known.Load()
		if k.table != before {
			return k.table, nil
		}
		select {
		case <-k.over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Err returns why the process is no member, if it has tried to become one and
// could not.
func (c *Cluster) Err() error {
	if err := c.wrong.Load(); err != nil {
		return *err
	}
	return nil
}

// Drained says that nothing of a shard is under way any more that was to be
// drained, in the turn that the keeper was told, and whether there are rows in
// its outbox.
func (c *Cluster) Drained(s shard.ID, turn int64, dirty bool) {
	c.say(func(now time.Duration) { c.machine.Drained(s, turn, dirty, now) })
}

// Evicted says that the store doesn't know a member's lanes any more.
func (c *Cluster) Evicted(m entity.Member) {
	c.say(func(now time.Duration) { c.machine.Evicted(m, now) })
}

// Learned says what table another process has told of.
func (c *Cluster) Learned(t *shard.Table) {
	c.say(func(now time.Duration) { c.machine.Learned(t, now) })
}

// Suspect makes the member look whether others have lapsed.
func (c *Cluster) Suspect() { c.say(c.machine.Suspect) }

// say tells the machine what happened, in a goroutine of its own: whoever says it
// may be somebody that the machine's outputs wait for.
func (c *Cluster) say(what func(now time.Duration)) {
	go func() {
		select {
		case c.said <- what:
		case <-c.done:
		}
	}()
}

// Run makes the process a member until ctx ends. Then it hands its shards over
// and gives the membership up, for which it takes as long as it takes: who can't
// wait ends the process.
func (c *Cluster) Run(ctx context.Context) error {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer c.calls.Wait()
	defer cancel()
	defer close(c.done)
	c.machine = member.New(&c.Settings, c.Self)
	c.machine.Start(c.Clock())
	stop := ctx.Done()
	clocks, usable := c.clocks(), true
	for c.carryOut(calls); !c.left; c.carryOut(calls) {
		timer := time.NewTimer(max(c.machine.Next(c.Clock())-c.Clock(), time.Millisecond))
		select {
		case <-stop:
			stop = nil
			c.machine.Leave(true, c.Clock())
		case what := <-c.said:
			what(c.Clock())
		case <-timer.C:
			c.machine.Tick(c.Clock())
		}
		timer.Stop()
		clocks, usable = c.compare(clocks), c.consider(usable)
	}
	return nil
}

// consider has the member leave, or stay after all, if whether the function can be
// used has changed since then.
func (c *Cluster) consider(before bool) (usable bool) {
	usable = c.Usable()
	switch {
	case usable && !before:
		c.machine.Stay(c.Clock())
	case before && !usable:
		c.machine.Leave(false, c.Clock())
	}
	return usable
}

// carryOut does what the machine asks for.
func (c *Cluster) carryOut(ctx context.Context) {
	for {
		c.until.Store(int64(c.machine.Until()))
		todo := append([]member.Output(nil), c.machine.Outputs()...)
		if len(todo) == 0 {
			c.publish()
			return
		}
		c.machine.Forget()
		for _, o := range todo {
			c.do(ctx, o)
		}
	}
}

// publish says which table is the newest, unless that was said.
func (c *Cluster) publish() {
	if before, table := c.known.Load(), c.machine.Table(); table != nil && table != before.table {
		c.known.Store(&known{table, make(chan struct{})})
		close(before.over)
	}
}

func (c *Cluster) do(ctx context.Context, o member.Output) {
	switch o.Do {
	case member.Renew:
		c.call(ctx, func(ctx context.Context) func(time.Duration) {
			err := c.Store.Renew(ctx, o.Member)
			return func(now time.Duration) { c.machine.Renewed(o.Member, o.Sent, err, now) }
		})
	case member.Look:
		known := c.machine.Table()
		c.call(ctx, func(ctx context.Context) func(time.Duration) {
			table, lease, err := look(ctx, c.Store, known, o.To)
			return func(now time.Duration) { c.machine.Seen(o.Member, table, lease, err, now) }
		})
	case member.Transact:
		c.call(ctx, func(ctx context.Context) func(time.Duration) {
			table, id, err := Transact(ctx, c.Store, o.Op)
			if err != nil {
				c.log.Warn("change of the placement has no answer, or is refused", "change", o.Op.Kind.String(), "err", err)
			}
			if o.Op.Kind == member.Join {
				c.joined(err)
			}
			return func(now time.Duration) { c.machine.Transacted(o.Op, table, id, err, now) }
		})
	case member.Ask:
		to, _ := c.machine.Table().Member(o.To)
		c.call(ctx, func(ctx context.Context) func(time.Duration) {
			if err := c.Peers.Ready(ctx, to); err != nil {
				c.log.Info("member can't take shards yet", "member", o.To, "err", err)
				return func(time.Duration) {}
			}
			return func(now time.Duration) { c.machine.Ready(o.To, now) }
		})
	default:
		c.tell(o)
	}
}

// joined notes what came of a try to join.
func (c *Cluster) joined(err error) {
	if err == nil {
		c.wrong.Store(nil)
		return
	}
	c.wrong.Store(&err)
}

// tell tells the keeper, and people.
func (c *Cluster) tell(o member.Output) {
	switch o.Do {
	case member.Begin:
		c.log.Info("joined", "member", o.Member)
	case member.Drop:
		c.log.Warn("not a member any more", "member", o.Member)
	case member.Left:
		c.left = true
	default:
		c.log.Debug("shard changes", "shard", o.Shard, "what", o.Do.String(), "epoch", o.Epoch)
	}
	c.Keeper.Do(o)
}

// call does something that may block, and has the machine hear of it.
func (c *Cluster) call(ctx context.Context, f func(context.Context) func(time.Duration)) {
	c.calls.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, c.Limit)
		defer cancel()
		what := f(ctx)
		select {
		case c.said <- what:
		case <-c.done:
		}
	})
}

// look looks at the store; the table is nil if it is the one that is known.
func look(ctx context.Context, s Store, known *shard.Table, neighbour entity.Member) (*shard.Table, entity.Lease, error) {
	var p entity.Placement
	if known != nil {
		p.Incarnation, p.Version = known.Incarnation, known.Version
	}
	sight, err := s.Look(ctx, p, neighbour)
	switch {
	case err != nil:
		return nil, entity.Lease{}, err
	case sight.Placement.Version == p.Version && sight.Placement.Incarnation == p.Incarnation:
		return nil, sight.Neighbour, nil
	}
	table, err := shard.Decode(sight.Placement)
	return table, sight.Neighbour, err
}
