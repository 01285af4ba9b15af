// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/tck/script"
	"github.com/kairn-dev/kairn/tck/suite"
)

// A play is a case in which a script plays one call of a method of the model.
type play struct {
	t    *suite.T
	path string
	text string // that only this case uses

	release func() // lets the function have the calls from now on

	bystander *client // of a call of the function itself, which must not notice

	header, trailer metadata.MD // that the client got with a reply

	client *client // of a streamed call
	call   *script.Stream[command, response]
}

func newPlay(t *suite.T, path string) *play {
	t.AllowReports()
	p := &play{t: t, path: path, text: t.Key(), bystander: connect(t, processStreamed)}
	p.talks()
	t.Call(handleStreamed).Ignore()
	p.release = t.Script(path)
	return p
}

// talks has the bystander say something and get an answer.
func (p *play) talks() {
	p.bystander.Send(ask(of(replies(p.text))))
	p.bystander.Expect(&action.Response{Message: p.text})
}

// A question is a call by the client that is under way.
type question struct {
	t    *suite.T
	done chan struct{} // closed when err is set
	out  action.Response
	err  error
}

// asks calls the unary command.
func (p *play) asks(ctx context.Context) *question {
	q := &question{t: p.t, done: make(chan struct{})}
	go func() {
		defer close(q.done)
		q.err = p.t.Proxy.Invoke(ctx, p.path, ask(of(replies(p.text))), &q.out, grpc.Header(&p.header), grpc.Trailer(&p.trailer))
	}()
	p.t.Cleanup(func() { <-q.done })
	p.takes()
	return q
}

// connects calls a streamed command and sends its first message.
func (p *play) connects() {
	p.client = connect(p.t, p.path)
	p.client.Send(ask(of(replies(p.text))))
	if p.path == processStreamedOut {
		p.client.HalfClose()
	}
	p.takes()
}

// takes waits until the script has the call.
func (p *play) takes() {
	ctx, cancel := p.t.Waiting()
	defer cancel()
	var err error
	if p.call, err = p.t.Target.Script.Actions.Next(ctx, p.path); err != nil {
		p.t.Fatalf("%v", err)
	}
	p.t.Cleanup(func() { p.call.End(nil) })
	p.t.Call(protocol[p.path]).Ignore()
}

// protocol has the method of the protocol for each of the model.
var protocol = map[string]string{
	processUnary: handleUnary, processStreamedIn: handleStreamedIn,
	processStreamedOut: handleStreamedOut, processStreamed: handleStreamed,
}

// says sends a response.
func (p *play) says(m *response) {
	if err := p.call.Send(m); err != nil {
		p.t.Fatalf("the proxy has given up the call: %v", err)
	}
}

// ends ends the call, well or with an error.
func (p *play) ends(err error) { p.call.End(err) }

// answer waits until the client has one.
func (q *question) answer() error {
	ctx, cancel := q.t.Waiting()
	defer cancel()
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		q.t.Fatalf("the client was not answered within %v", suite.Wait)
		return nil
	}
}

// gets expects that text.
func (q *question) gets(text string) {
	if err := q.answer(); err != nil {
		q.t.Fatalf("the client should have got %q, but got %v", text, err)
	}
	q.t.Equal("what the client got", &action.Response{Message: text}, &q.out)
}

// failsWith expects err to have that code, and some text.
func failsWith(t *suite.T, err error, code codes.Code) {
	s := status.Convert(err)
	if err == nil || s.Code() != code || s.Message() == "" {
		t.Fatalf("the client should have got the code %v and a text, but got %v %q", code, s.Code(), s.Message())
	}
}

// gone waits until the function sees that nobody wants its call any more.
func (p *play) gone() {
	ctx, cancel := p.t.Waiting()
	defer cancel()
	select {
	case <-p.call.Gone():
	case <-ctx.Done():
		p.t.Fatalf("the function was not told within %v that its call is over", suite.Wait)
	}
}

// over ends the play: the next call works, and the bystander's goes on.
func (p *play) over() {
	p.talks()
	p.bystander.Close()
	p.release()
	gets(p.t, p.text, replies(p.text))
	p.t.Call(handleUnary).Ignore()
}
