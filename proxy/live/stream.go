// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// load opens the stream of act and tells the function what is stored.
func (in *awake) load(act *activation) {
	stream, last, err := in.replay(act)
	in.mu.Lock()
	if in.act != act {
		in.mu.Unlock()
		act.life.end()
		return
	}
	now := time.Now()
	in.used = in.set.moment(now)
	if err != nil {
		in.machine.LoadFailed(err, now)
	} else {
		in.stats.Activated.Add(1)
		in.stats.Recovery.Observe(in.set.since(act.began, now))
		act.stream = stream
		in.machine.Loaded(last, now)
	}
	in.carryOut()
}

// replay returns the stream, and the position of the last event, or value, stored.
func (in *awake) replay(act *activation) (Stream, entity.Seq, error) {
	select {
	case in.set.loads <- struct{}{}:
		defer func() { <-in.set.loads }()
	case <-act.life.Done():
		return nil, 0, act.life.Err()
	}
	in.touch(act)
	stream, err := in.set.Function.Open(&act.life, in.Speech().Handle)
	if err != nil {
		return nil, 0, in.streamError(err)
	}
	last, err := in.protocol.replay(in, act, stream)
	switch {
	case errors.Is(err, io.EOF):
		err = in.streamError(in.lastWords(stream))
	case err != nil && act.life.Err() == nil:
		in.set.log.Error("instance was not brought up", "instance", in.key.String(), "err", err)
	}
	return stream, last, err
}

// touch says that the load gets on.
func (in *awake) touch(act *activation) {
	in.mu.Lock()
	act.moved = in.set.moment(time.Now())
	in.mu.Unlock()
}

// lastWords returns why the function has ended a stream: what it said last, or
// the end's own reason.
func (in *awake) lastWords(stream Stream) error {
	msg := in.protocol.message(&inbox{})
	if err := stream.Recv(msg); err != nil {
		return err
	}
	if f := msg.Failure(); f != nil {
		return f.Crash()
	}
	return fmt.Errorf("a message that nothing asked for: %w", entity.ErrProtocol)
}

// whyEnded returns why the stream of act ended before it took a command. That
// it ended in order is the function's good right.
func (in *awake) whyEnded(act *activation) error {
	in.mu.Lock()
	reading, err := act.reading, act.ended
	in.mu.Unlock()
	if err == nil && !reading {
		err = in.lastWords(act.stream)
	}
	if err == nil || errors.Is(err, io.EOF) { // or the reader will say it
		return errEnded
	}
	return in.streamError(err)
}

// read gives the function's answers to the instance, for as long as it has a
// command. It uses box.
func (in *awake) read(act *activation, box *inbox) {
	msg := in.protocol.message(box)
	for more := true; more; {
		err := act.stream.Recv(msg)
		in.mu.Lock()
		if in.act != act {
			in.mu.Unlock()
			return
		}
		now := time.Now()
		in.used = in.set.moment(now)
		if err != nil {
			in.ended(act, err, now)
			more = false
		} else {
			in.answered(msg, now)
			more = in.act == act && in.machine.Current() != nil
			act.reading = more
		}
		in.carryOut()
	}
}

// ended says that the stream has ended while the function had a command.
func (in *awake) ended(act *activation, err error, now time.Time) {
	act.reading = false
	if c := in.machine.Current(); c != nil && c.ID > act.sent {
		act.ended = err // whoever is about to hand it over will see
		return
	}
	in.machine.Broken(in.streamError(err), now)
}

// answered gives the function's answer to the machine.
func (in *awake) answered(msg message, now time.Time) {
	c := in.machine.Current()
	in.stats.Processing.Observe(now.Sub(c.Sent))
	c.Answered = now
	d, err := msg.Accept(in.key, in.machine.Last(), c.ID)
	if err != nil {
		in.machine.Broken(in.crashed(err), now)
		return
	}
	d.Write.Key = in.key
	in.enlist(c, &d)
	in.machine.Answered(d, now)
}

// crashed logs what the function did wrong, and tells it unless it said so
// itself.
func (in *awake) crashed(err error) error {
	in.set.log.Warn("instance was given up", "instance", in.key.String(), "err", err)
	if _, said := errors.AsType[*entity.Crash](err); !said {
		in.set.Report(fmt.Sprintf("%v: %v", in.key, err))
	}
	return err
}

// streamError says what the end of a stream means for a command that was not
// answered.
func (in *awake) streamError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("user function ended the stream of %v before it answered: %w", in.key, entity.ErrProtocol)
	}
	if errors.Is(err, entity.ErrUnavailable) {
		return err // it is away: not its fault, and not worth a line for each instance
	}
	return in.crashed(err)
}

// finish tells the function that nothing more comes, and waits until it has
// ended the stream; some libraries never do.
func (a *activation) finish(grace time.Duration, p *protocol) {
	defer a.life.end()
	timer := time.AfterFunc(grace, a.life.end)
	defer timer.Stop()
	if a.stream.CloseSend() != nil {
		return
	}
	msg := p.message(&inbox{})
	for a.stream.Recv(msg) == nil { // it may say what it likes
	}
}
