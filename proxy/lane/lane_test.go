// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A scriptedStore answers commits as the test says, and remembers them. It is
// called by one lane only.
type scriptedStore struct {
	answers []error // to the next commits; nil when used up
	lost    []bool  // whether the answer to the next commit that is applied is lost
	gone    bool    // whether the member is evicted
	n       int64
	groups  [][]string
	began   chan struct{} // if not nil, told when a commit begins
	hold    chan struct{} // if not nil, awaited by each commit
}

var errLost = errors.New("answer lost")

func (s *scriptedStore) Commit(_ context.Context, at entity.Position, writes []entity.Write) error {
	if s.hold != nil {
		s.began <- struct{}{}
		<-s.hold
	}
	if len(s.answers) > 0 {
		err := s.answers[0]
		s.answers = s.answers[1:]
		if err != nil {
			return err
		}
	}
	if s.gone || at.N != s.n {
		return entity.ErrLaneMoved
	}
	s.n++
	var keys []string
	for _, w := range writes {
		keys = append(keys, w.Key.ID)
	}
	s.groups = append(s.groups, keys)
	if len(s.lost) > 0 {
		lost := s.lost[0]
		s.lost = s.lost[1:]
		if lost {
			return errLost
		}
	}
	return nil
}

func (s *scriptedStore) Position(context.Context, entity.Member, int) (int64, bool, error) {
	return s.n, !s.gone, nil
}

// A bench is a lane on a scripted store.
type bench struct {
	store    *scriptedStore
	lane     *Lane
	verdicts []string
	ran      chan error
	end      context.CancelFunc
}

func start(t *testing.T, s *scriptedStore) *bench {
	t.Helper()
	b := &bench{store: s, ran: make(chan error, 1)}
	b.lane = New(slog.New(slog.DiscardHandler), Config{Store: s, MaxWrites: 3, MaxBytes: 1000, Stats: &Stats{}})
	var ctx context.Context
	ctx, b.end = context.WithCancel(t.Context())
	go func() { b.ran <- b.lane.Run(ctx) }()
	return b
}

// chain returns a chain whose verdicts are noted.
func (b *bench) chain(name string) *Chain {
	return &Chain{Verdict: func(err error) {
		switch {
		case err == nil:
			b.verdicts = append(b.verdicts, name+" stored")
		case errors.Is(err, ErrEvicted):
			b.verdicts = append(b.verdicts, name+" evicted")
		default:
			b.verdicts = append(b.verdicts, name+" refused")
		}
	}}
}

func (b *bench) join(c *Chain, key string) {
	b.lane.Join(c, entity.Write{Key: entity.Key{ID: key}})
}

// stop ends the lane and checks what came of it.
func (b *bench) stop(t *testing.T, want error, groups [][]string, verdicts ...string) {
	t.Helper()
	synctest.Wait()
	b.end()
	if err := <-b.ran; !errors.Is(err, want) {
		t.Errorf("Run = %v, want %v", err, want)
	}
	if !slices.EqualFunc(b.store.groups, groups, slices.Equal) {
		t.Errorf("committed %v, want %v", b.store.groups, groups)
	}
	if !slices.Equal(b.verdicts, verdicts) {
		t.Errorf("verdicts %q, want %q", b.verdicts, verdicts)
	}
}

func TestWhatComesDuringACommitIsTheNextGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedStore{began: make(chan struct{}, 10), hold: make(chan struct{})}
		b := start(t, s)
		c := b.chain("c")
		b.join(c, "1")
		<-s.began
		for _, k := range []string{"2", "3", "4", "5"} {
			b.join(c, k)
		}
		close(s.hold)
		b.stop(t, nil, [][]string{{"1"}, {"2", "3", "4"}, {"5"}},
			"c stored", "c stored", "c stored", "c stored", "c stored")
	})
}

func TestGroupsAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedStore{began: make(chan struct{}, 10), hold: make(chan struct{})}
		b := start(t, s)
		c := b.chain("c")
		b.join(c, "1")
		<-s.began
		big := string(make([]byte, 2000))
		b.join(c, "2")
		b.join(c, big)
		b.join(c, "3")
		close(s.hold)
		b.stop(t, nil, [][]string{{"1"}, {"2"}, {big}, {"3"}}, "c stored", "c stored", "c stored", "c stored")
	})
}

func TestOnlyTheCulpritPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedStore{began: make(chan struct{}, 10), hold: make(chan struct{})}
		b := start(t, s)
		good, bad := b.chain("good"), b.chain("bad")
		b.join(good, "1")
		<-s.began
		b.join(good, "2")
		b.join(bad, "3")
		b.join(good, "4")
		b.join(bad, "5")  // follows a refused one, in the queue by then
		b.join(good, "6") // of another chain
		s.answers = []error{nil, entity.ErrRefused, nil, entity.ErrRefused, nil}
		close(s.hold)
		b.stop(t, nil, [][]string{{"1"}, {"2"}, {"4"}, {"6"}},
			"good stored", "good stored", "bad refused", "good stored", "bad refused", "good stored")
	})
}

func TestUnknownOutcomeIsSentAgainUntilItIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &scriptedStore{answers: []error{errLost, errLost, nil}})
		got := make(chan error, 1)
		b.join(&Chain{Verdict: func(err error) { got <- err }}, "1")
		if err := <-got; err != nil {
			t.Errorf("verdict %v, want nil", err)
		}
		if n := b.lane.Stats.Resent.Load(); n != 2 {
			t.Errorf("sent again %d times, want 2", n)
		}
		b.stop(t, nil, [][]string{{"1"}})
	})
}

func TestAppliedCommitWhoseAnswerWasLostIsNotAppliedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &scriptedStore{lost: []bool{true}})
		got := make(chan error, 1)
		b.join(&Chain{Verdict: func(err error) { got <- err }}, "1")
		if err := <-got; err != nil {
			t.Errorf("verdict %v, want nil", err)
		}
		b.stop(t, nil, [][]string{{"1"}})
	})
}

func TestEvictedMemberWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &scriptedStore{gone: true})
		b.lane.Evicted = func(entity.Member) { b.verdicts = append(b.verdicts, "evicted") }
		c := b.chain("c")
		b.join(c, "1")
		synctest.Wait()
		b.join(c, "2")
		b.stop(t, ErrEvicted, nil, "evicted", "c evicted", "c evicted")
	})
}

func TestWhatHasJoinedIsCommittedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedStore{began: make(chan struct{}, 10), hold: make(chan struct{})}
		b := start(t, s)
		c := b.chain("c")
		b.join(c, "1")
		<-s.began
		b.join(c, "2")
		b.end()
		close(s.hold)
		b.stop(t, nil, [][]string{{"1"}, {"2"}}, "c stored", "c stored")
	})
}

// A meeting is a context that ends when somebody asks whether it has, just
// after something else has happened.
type meeting struct {
	context.Context //nolint:containedctx // it is one
	before          func()
}

func (m meeting) Done() <-chan struct{} {
	m.before()
	done := make(chan struct{})
	close(done)
	return done
}

// TestWhatJoinsBeforeTheEndIsCommitted lets a write come between the look at
// the empty queue and the end.
func TestWhatJoinsBeforeTheEndIsCommitted(t *testing.T) {
	for range 50 { // chance decides which of the two is seen first
		s := &scriptedStore{}
		b := &bench{store: s, lane: New(slog.New(slog.DiscardHandler), Config{Store: s, MaxWrites: 3, MaxBytes: 1000, Stats: &Stats{}})}
		join := sync.OnceFunc(func() { b.join(b.chain("c"), "1") })
		if err := b.lane.Run(meeting{t.Context(), join}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(b.verdicts, []string{"c stored"}) {
			t.Fatalf("verdicts %q", b.verdicts)
		}
	}
}

func TestWhatJoinsAfterTheEndIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &scriptedStore{})
		b.end()
		synctest.Wait()
		b.join(b.chain("c"), "1")
		b.stop(t, nil, nil, "c refused")
	})
}
