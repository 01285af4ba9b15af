// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
)

// open opens the stream of act.
func (in *awake) open(ctx context.Context, act *activation) {
	stream, err := in.set.Function.Open(ctx, in.Speech().Handle)
	in.mu.Lock()
	now := time.Now()
	switch {
	case in.act != act:
		act.end()
	case err != nil:
		in.machine.OpenFailed(err, now)
	default:
		in.stats.Activated.Add(1)
		in.stats.Recovery.Observe(now.Sub(act.began))
		act.stream = stream
		in.machine.Opened(now)
	}
	in.carryOut()
}

// startWriting has what is for the stream of act sent, unless somebody does so
// already. Only what can't block is sent on this goroutine, while in.mu is not
// held; it returns whether that was so.
func (in *awake) startWriting(act *activation) bool {
	if act.sends.busy || act.sends.len() == 0 {
		return false
	}
	act.sends.busy = true
	in.writers++
	if in.act == act && act.prompt && act.sends.len() == 1 {
		in.write(act)
		return true
	}
	in.set.work.Go(func() {
		in.mu.Lock()
		in.write(act)
		in.carryOut()
	})
	return false
}

// write sends what is for the stream of act. It is called with in.mu held.
func (in *awake) write(act *activation) {
	for act.sends.len() > 0 {
		o := act.sends.pop()
		switch {
		case o.Do == exchange.Finish:
			in.finish(act)
		case act.failed || o.Call != nil && in.act != act:
			// The machine has taken the command back, or will.
		default:
			in.send(act, o)
		}
	}
	act.sends.busy = false
	in.writers--
}

// send sends one message. It is called with in.mu held, and releases it for
// that.
func (in *awake) send(act *activation, o exchange.Output) {
	act.prompt = false
	act.after++
	if o.Call != nil {
		in.machine.Begun(o.Call)
		act.command, act.after = o.Message.(*exchange.Command).ID, 0
	}
	act.now = true
	in.mu.Unlock()
	err := act.stream.Send(o.Message)
	in.mu.Lock()
	act.now = false
	if err != nil {
		act.failed = true // listen finds out why
	}
	if in.act != act {
		return
	}
	if errors.Is(err, io.EOF) {
		if o.Call != nil {
			in.machine.NotBegun(o.Call)
		}
	} else if err != nil {
		act.ended = fmt.Errorf("send to the user function: %w", err)
	}
	if act.ended != nil {
		in.broken(act.ended)
		in.plan()
	}
}

// listen has the stream read if that is the time for it.
func (in *awake) listen() {
	act := in.act
	if act == nil || act.stream == nil || act.reading.busy || !in.listening(act) {
		return
	}
	act.reading.busy = true
	in.set.readers.read(in, act)
}

func (in *awake) listening(act *activation) bool {
	return act.ended == nil && (in.machine.Listening() || act.failed && !in.machine.Held())
}

// read gives what the function says to the instance, for as long as it is to be
// listened to. It uses msg.
func (in *awake) read(act *activation, msg *exchange.Message) {
	for more := true; more; {
		err := act.stream.Recv(in.readable(msg))
		in.mu.Lock()
		if in.act == act {
			in.received(act, msg, err)
		}
		ours := in.act == act
		more = ours && err == nil && in.listening(act)
		act.reading.busy = more || !ours
		in.carryOut()
		if !ours {
			act.drain()
			return
		}
	}
}

// readable returns what reads a message of the function into msg.
func (in *awake) readable(msg *exchange.Message) live.Unmarshaler {
	if in.Speech().RepliesOnly {
		return exchange.RepliesOnly{Message: msg, Consistency: exchange.Consistency(in.Consistency)}
	}
	return msg
}

// received tells the machine what was read. It is called with in.mu held.
func (in *awake) received(act *activation, msg *exchange.Message, err error) {
	switch {
	case err == nil:
		if msg.What == exchange.Reply && msg.CommandID == act.command && act.after == 0 {
			act.prompt = true
		}
		in.machine.Received(msg, time.Now())
	case act.now:
		act.ended = err // whoever is sending will see
	default:
		in.broken(err)
	}
	in.plan()
}

// errEnded is for a client whose command the function never got.
var errEnded = fmt.Errorf("user function ends its streams at once: %w", entity.ErrUnavailable)

// broken says that the stream has ended. That it ended in order while the
// function owed nothing is its good right.
func (in *awake) broken(err error) {
	owing := in.machine.Owing()
	switch {
	case errors.Is(err, io.EOF) && !owing:
		err = errEnded
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("user function ended the stream of %v before it answered: %w", in.key, entity.ErrProtocol)
	}
	in.machine.Broken(err, time.Now())
}

// finish tells the function that nothing more comes, and has the rest read
// until it has ended the stream, or its time is over; some libraries never end
// it. It is called with in.mu held.
func (in *awake) finish(act *activation) {
	in.mu.Unlock()
	err := act.stream.CloseSend()
	in.mu.Lock()
	if err != nil {
		act.end()
	}
	if !act.reading.busy {
		act.reading.busy = true
		in.set.work.Go(act.drain)
	}
}

// drain reads the stream to its end: the function may say what it likes.
func (a *activation) drain() {
	var msg exchange.Message
	for a.stream.Recv(&msg) == nil {
	}
	a.end()
	if a.grace != nil {
		a.grace.Stop()
	}
}
