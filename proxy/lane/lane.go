// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// ErrEvicted reports that the member has lost its lanes. Whether the write in
// question was applied is not known.
var ErrEvicted = fmt.Errorf("member was evicted: %w", entity.ErrUnknownOutcome)

// errBroken is the verdict on writes that follow a refused one.
var errBroken = fmt.Errorf("follows a write that was refused: %w", entity.ErrRefused)

// maxSpare is how many arrays are kept for queues to come. While one fills,
// another is committed, and one more or two are told.
const maxSpare = 3

// The pause before a commit with an unknown outcome is sent again grows from
// the first of these to the second.
const (
	minPause = 10 * time.Millisecond
	maxPause = 2 * time.Second
)

// A Config says where a Lane commits and how much at once.
type Config struct {
	Store     Store
	Member    entity.Member
	Lane      int
	MaxWrites int // of one group
	MaxBytes  int // of one group, unless it is a single write
	Stats     *Stats

	// Evicted, if it isn't nil, is called when it turns out that the member has
	// lost its lanes, before any write is told so. It must not wait for the lane.
	Evicted func(entity.Member)

	// Jitter returns a random part of a pause; nil for one of its own.
	Jitter func(time.Duration) time.Duration
}

// A Lane collects writes and commits them in groups. Make it with [New], run it
// with [Lane.Run]. Its methods may be called by any goroutine.
type Lane struct {
	Config
	log     *slog.Logger
	n       int64          // commits made; owned by Run
	decided chan decision  // to the goroutine that tells; made and closed by Run
	writes  []entity.Write // those of the group under way; owned by Run
	wake    chan struct{}  // has room for one: there is something in queue

	mu    sync.Mutex // protects what follows, and Chain.broken
	queue []item
	spare [][]item // arrays of the groups before, to be used again
	err   error    // why the lane takes no more
}

// A Chain is what one activation of an instance writes. Its zero value with
// Verdict set is ready for use; it belongs to one lane.
type Chain struct {
	// Verdict is called once for each write joined, in order, by the
	// goroutine that runs the lane or by the one that joins. It must not
	// block.
	Verdict func(error)

	broken bool
}

type item struct {
	chain *Chain
	write entity.Write
	size  int
}

// New returns a lane that stands at position 0.
func New(log *slog.Logger, cfg Config) *Lane {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.N[time.Duration]
	}
	return &Lane{Config: cfg, log: log, wake: make(chan struct{}, 1)}
}

// Join adds a write to the next group. It never blocks. The write and what it
// refers to must not be changed until its verdict.
func (l *Lane) Join(c *Chain, w entity.Write) {
	l.mu.Lock()
	err := l.err
	if err != nil {
		l.mu.Unlock()
		c.Verdict(err)
		return
	}
	l.queue = append(l.queue, item{c, w, w.Size()})
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run commits what joins until ctx ends, and then what has joined before; what
// joins after that is refused. It returns an error if the member was evicted.
// While the outcome of a commit is unknown it does not return.
func (l *Lane) Run(ctx context.Context) error {
	l.decided = make(chan decision, 1) // so that a group is told while the next one is committed
	told := make(chan struct{})
	go func() {
		defer close(told)
		for d := range l.decided {
			l.tell(d)
		}
	}()
	err := l.run(ctx)
	close(l.decided)
	<-told
	if err != nil {
		l.abandon(err)
	}
	return err
}

func (l *Lane) run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	for {
		group := l.take()
		if len(group) > 0 {
			if err := l.commit(lasting, group); err != nil {
				return err
			}
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			if l.close() {
				return nil
			}
		}
	}
}

// close makes the lane take no more, unless something waits.
func (l *Lane) close() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 {
		return false
	}
	l.err = fmt.Errorf("lane is closed: %w", entity.ErrUnavailable)
	return true
}

// A decision is a verdict on some items, which nobody has been told yet.
type decision struct {
	items []item
	err   error
	whole bool // whether items is all of a group
}

func (l *Lane) tell(d decision) {
	for i := range d.items {
		d.items[i].chain.Verdict(d.err)
	}
	if d.whole {
		l.recycle(d.items)
	}
}

// abandon gives err to all that wait and to all that will come.
func (l *Lane) abandon(err error) {
	l.mu.Lock()
	l.err = err
	waiting := l.queue
	l.queue = nil
	l.mu.Unlock()
	for i := range waiting {
		waiting[i].chain.Verdict(err)
	}
}

// take removes the next group from the queue.
func (l *Lane) take() []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && n < l.MaxWrites {
		size += l.queue[n].size
		if n > 0 && size > l.MaxBytes {
			break
		}
		n++
	}
	group := l.queue[:n:n]
	if n < len(l.queue) {
		l.queue = l.queue[n:]
	} else {
		group, l.queue = l.queue, nil // with what room there is beyond it
		if last := len(l.spare) - 1; last >= 0 {
			l.queue, l.spare = l.spare[last], l.spare[:last]
		}
	}
	return group
}

// recycle keeps the array of a group for a queue to come. The array of a group
// that did not empty the queue has room for that group alone: it is small, but
// it is free.
func (l *Lane) recycle(group []item) {
	clear(group)
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(group) > 0 && len(l.spare) < maxSpare {
		l.spare = append(l.spare, group[:0])
	}
}

// commit decides about every item of group. An error means that the member is
// evicted.
func (l *Lane) commit(ctx context.Context, group []item) error {
	if len(group) == 1 {
		return l.commitOne(ctx, group, true)
	}
	whole := l.unbroken(group)
	err := l.send(ctx, whole)
	switch {
	case err == nil:
		l.decided <- decision{whole, nil, len(whole) == len(group)}
		return nil
	case !errors.Is(err, entity.ErrRefused):
		l.decided <- decision{whole, err, false}
		return err
	}
	for i := range whole { // one by one, so that only the culprit is refused
		if err := l.commitOne(ctx, whole[i:i+1], false); err != nil {
			l.decided <- decision{whole[i+1:], err, false}
			return err
		}
	}
	return nil
}

// commitOne decides about one item, whose chain may have been broken by the one
// before. Alone says whether it is all of a group.
func (l *Lane) commitOne(ctx context.Context, one []item, alone bool) error {
	whole := l.unbroken(one)
	err := l.send(ctx, whole)
	if errors.Is(err, entity.ErrRefused) {
		l.Stats.Refused.Add(1)
		l.mu.Lock()
		one[0].chain.broken = true
		l.mu.Unlock()
	}
	l.decided <- decision{whole, err, alone}
	if errors.Is(err, ErrEvicted) {
		return err
	}
	return nil
}

// unbroken returns the items of group whose chain is whole, after it has given
// the others their verdict.
func (l *Lane) unbroken(group []item) []item {
	l.mu.Lock()
	i := 0
	for i < len(group) && !group[i].chain.broken {
		i++
	}
	if i == len(group) {
		l.mu.Unlock()
		return group
	}
	var whole, broken []item
	for _, it := range group {
		if it.chain.broken {
			broken = append(broken, it)
		} else {
			whole = append(whole, it)
		}
	}
	l.mu.Unlock()
	l.decided <- decision{broken, errBroken, false}
	return whole
}

// send commits the writes of group. It returns nil, an error that wraps
// [entity.ErrRefused], or [ErrEvicted].
func (l *Lane) send(ctx context.Context, group []item) error {
	if len(group) == 0 {
		return nil
	}
	size := 0
	for i := range group {
		l.writes = append(l.writes, group[i].write)
		size += group[i].size
	}
	start := time.Now()
	err := l.sendUntilKnown(ctx)
	clear(l.writes)
	l.writes = l.writes[:0]
	switch {
	case err == nil:
		l.Stats.committed(len(group), size, time.Since(start))
	case errors.Is(err, ErrEvicted) && l.Evicted != nil:
		l.Evicted(l.Member)
	}
	return err
}

// sendUntilKnown commits l.writes, however often that has to be tried.
func (l *Lane) sendUntilKnown(ctx context.Context) error {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		err := l.Store.Commit(ctx, entity.Position{Member: l.Member, Lane: l.Lane, N: l.n}, l.writes)
		if errors.Is(err, entity.ErrLaneMoved) {
			err = l.moved(ctx)
		}
		switch {
		case err == nil:
			l.n++
			return nil
		case errors.Is(err, entity.ErrRefused), errors.Is(err, ErrEvicted):
			return err
		}
		l.Stats.Resent.Add(1)
		l.log.Warn("outcome of a commit is unknown, sending it again", "lane", l.Lane, "err", err)
		<-time.After(pause/2 + l.Jitter(pause))
	}
}

// moved finds out what it means that the lane was not where it was expected.
func (l *Lane) moved(ctx context.Context) error {
	n, ok, err := l.Store.Position(ctx, l.Member, l.Lane)
	switch {
	case err != nil:
		return fmt.Errorf("where the lane stands: %w", err)
	case !ok:
		return ErrEvicted
	case n == l.n+1:
		return nil // it was this very commit
	case n == l.n:
		return errors.New("lane had moved, and has not")
	default:
		return fmt.Errorf("lane stands at %d, expected %d: %w", n, l.n, ErrEvicted)
	}
}
