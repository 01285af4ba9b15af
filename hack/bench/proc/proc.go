// SPDX-License-Identifier: Apache-2.0

// Package proc runs the processes of the benchmark and reads what they use.
//
// A process says on its standard error where it listens, in a line of JSON as
// the proxy logs it:
//
//	{"msg":"serving","grpc":"127.0.0.1:41234","admin":"127.0.0.1:41235"}
//
// and those that take orders read them as JSON from their standard input and
// answer on their standard output.
//
// All processes of a [Group] end with it. If this process is killed, Linux
// kills them; for that, Start must be called on a thread that lives as long as
// the process does, so main locks its thread and starts everything itself.
package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// A Spec says what to run.
type Spec struct {
	Name string // for messages
	Path string
	Args []string
	Env  []string // besides PATH, HOME and TMPDIR, which are passed on
}

// A Group is a set of processes that end together.
type Group struct {
	all []*Process
}

// A Process is a child of this process.
type Process struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	serving chan Addresses // has room for the one that the process reports
	done    chan struct{}  // closed when its standard error has ended

	mu   sync.Mutex // protects last
	last []string   // lines of its standard error, the last of them
}

// Addresses is where a process listens; empty if it doesn't.
type Addresses struct {
	Message string `json:"msg"`
	GRPC    string `json:"grpc"`
	HTTP    string `json:"http"`
	Admin   string `json:"admin"`
}

// Start runs a process in the group.
func (g *Group) Start(s Spec) (*Process, error) {
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Env = append(inherited(), s.Env...)
	cmd.SysProcAttr = attributes()
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	stderr, err3 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	p := &Process{
		name:    s.Name,
		cmd:     cmd,
		in:      in,
		out:     json.NewDecoder(out),
		serving: make(chan Addresses, 1),
		done:    make(chan struct{}),
	}
	go p.listen(stderr)
	g.all = append(g.all, p)
	return p, nil
}

// Close kills all processes of the group, last first, and waits for their end.
func (g *Group) Close() {
	for _, p := range slices.Backward(g.all) {
		p.Kill()
	}
	g.all = nil
}

func inherited() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// listen keeps the last lines that the process writes and looks for the one
// that says where it listens.
func (p *Process) listen(stderr io.Reader) {
	defer close(p.done)
	const keep = 20
	reported := false
	s := bufio.NewScanner(stderr)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.mu.Lock()
		p.last = append(p.last, s.Text())
		if len(p.last) > keep {
			p.last = slices.Delete(p.last, 0, 1)
		}
		p.mu.Unlock()
		if a, ok := parseServing(s.Bytes()); ok && !reported {
			p.serving <- a
			reported = true
		}
	}
	_, _ = io.Copy(io.Discard, stderr) // a line that is too long must not block the process
}

func parseServing(line []byte) (Addresses, bool) {
	var a Addresses
	err := json.Unmarshal(line, &a)
	return a, err == nil && a.Message == "serving"
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Serving waits until the process says where it listens. It can be asked once.
func (p *Process) Serving(ctx context.Context) (Addresses, error) {
	select {
	case a := <-p.serving:
		return a, nil
	case <-p.done:
		return Addresses{}, p.died()
	case <-ctx.Done():
		return Addresses{}, fmt.Errorf("%s doesn't listen: %w; its last lines:\n%s", p.name, ctx.Err(), p.tail())
	}
}

// Do gives the process an order and waits for what it answers.
func (p *Process) Do(ctx context.Context, order, answer any) error {
	answered := make(chan error, 1)
	go func() {
		answered <- errors.Join(json.NewEncoder(p.in).Encode(order), p.out.Decode(answer))
	}()
	select {
	case err := <-answered:
		if err != nil {
			return fmt.Errorf("%w (%w)", p.died(), err)
		}
		return nil
	case <-ctx.Done():
		p.Kill() // ends the goroutine: its pipes are closed
		<-answered
		return context.Cause(ctx)
	}
}

// Kill ends the process at once and waits until it has. It may be called
// again.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it has ended before: fine
	<-p.done
	_ = p.cmd.Wait() // says that it was killed
}

func (p *Process) died() error {
	return fmt.Errorf("%s has ended; its last lines:\n%s", p.name, p.tail())
}

func (p *Process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "\t" + strings.Join(p.last, "\n\t")
}
