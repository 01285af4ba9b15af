// SPDX-License-Identifier: Apache-2.0

// Package gossip lets the members of a service hear of each other quickly: who is
// there, who seems to be dead, and who has seen a newer placement. It is
// memberlist's protocol (github.com/hashicorp/memberlist).
//
// Nothing that is heard here decides anything. It only makes a member look at the
// store sooner than it would have, so that a message that is lost, late, forged or
// of yesterday costs time and nothing else.
//
// # Who belongs together
//
// All messages carry the service as their label, which is authenticated with them
// if there are keys; others are refused and counted. A process has a name that no
// other ever has, so that one that comes back is somebody new and the address of
// one that is gone may be somebody else's.
//
// A group that was cut in two does not heal by itself: memberlist forgets who has
// been dead for long. So every process goes on, for ever, to look for those that
// it should know and does not.
package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// MaxService is how many bytes the name of a service may have.
const MaxService = memberlist.LabelMaxSize

// A Note is what a member says that it knows: a placement's incarnation and
// version.
type Note struct {
	Incarnation string
	Version     int64
}

// A Config says who a process is and whom it should know.
type Config struct {
	Service string // whose members these are
	Name    string // of this process; no other may have it, now or later
	Listen  string // address, "host:port", for UDP and TCP; port 0 takes any free one

	// Advertise is the host, an address, at which the others reach this process;
	// "" for that of Listen.
	Advertise string

	// Keys returns the keys of the messages, each of 16, 24 or 32 bytes: the first
	// one is for what is sent, all of them for what comes. It is asked again now
	// and then. If it is nil messages are neither secret nor authentic.
	Keys func() [][]byte

	// Seeds returns addresses, "host:port", where members may be; a host may be a
	// name with many addresses. It is asked every Every.
	Seeds func() []string
	Every time.Duration // the pause, give or take a fifth

	// Heard is called when a member tells what it knows, Gone when one has left or
	// seems to be dead. Neither may block, nor call the Gossip.
	Heard func(Note)
	Gone  func(name string)

	Stats *Stats
}

// Stats counts what happens. Its zero value is ready for use.
type Stats struct {
	Members atomic.Int64 // that are there, this process included
	Gone    atomic.Int64 // that have left or seemed to be dead
	Refused atomic.Int64 // messages of another service, with another key or with none
}

// A Gossip is one process among others. Make it with [Listen], run it with
// [Gossip.Run].
type Gossip struct {
	cfg     Config
	log     *slog.Logger
	list    *memberlist.Memberlist
	keyring *memberlist.Keyring // nil if there are no keys
	queue   memberlist.TransmitLimitedQueue

	mu   sync.Mutex // protects note
	note Note       // what this process knows
}

// Listen begins to answer others. The process looks for them when it is run.
func Listen(log *slog.Logger, cfg Config) (*Gossip, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	if n := len(cfg.Service); n == 0 || n > MaxService {
		return nil, fmt.Errorf("gossip: name of the service has %d bytes, want 1 to %d", n, MaxService)
	}
	g := &Gossip{cfg: cfg, log: log}
	mc := memberlist.DefaultLANConfig()
	mc.Name, mc.Label = cfg.Name, cfg.Service
	mc.BindAddr = host
	if mc.BindPort, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("gossip: port %q is no number", port)
	}
	mc.AdvertiseAddr, mc.AdvertisePort = cfg.Advertise, mc.BindPort
	mc.TCPTimeout = joinTime
	mc.Delegate, mc.Events = delegate{g}, events{g}
	mc.Logger = newLogger(log, &cfg.Stats.Refused)
	if cfg.Keys != nil {
		keys := cfg.Keys()
		if len(keys) == 0 {
			return nil, errors.New("gossip: there are no keys")
		}
		if g.keyring, err = memberlist.NewKeyring(keys, keys[0]); err != nil {
			return nil, fmt.Errorf("gossip: %w", err)
		}
		mc.Keyring = g.keyring
	}
	g.queue.NumNodes = func() int { return max(1, int(cfg.Stats.Members.Load())) }
	g.queue.RetransmitMult = mc.RetransmitMult
	if g.list, err = memberlist.Create(mc); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	return g, nil
}

// Addr returns the address at which others reach this process.
func (g *Gossip) Addr() string { return g.list.LocalNode().Address() }

// Members returns the names of those that seem to be there, this process
// included.
func (g *Gossip) Members() []string {
	var names []string
	for _, n := range g.list.Members() {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

// Tell tells the others what this process knows.
func (g *Gossip) Tell(n Note) {
	g.mu.Lock()
	g.note = n
	g.mu.Unlock()
	g.queue.QueueBroadcast(message(g.encode(n)))
}

// joinTime is how long one that is not there may hold up the search for others, and
// the end of this process.
const joinTime = 3 * time.Second

// leaveTime is how long a process that ends waits for the others to hear of it.
const leaveTime = 500 * time.Millisecond

// Run looks for others until ctx ends. Then it says good-bye, and stops
// listening.
func (g *Gossip) Run(ctx context.Context) error {
	for pause := time.Duration(0); ; pause = g.pause() {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return g.leave()
		case <-timer.C:
			g.turnKeys()
			g.join(ctx)
		}
	}
}

func (g *Gossip) pause() time.Duration {
	fifth := g.cfg.Every / 5
	return g.cfg.Every - fifth + rand.N(2*fifth+1)
}

func (g *Gossip) leave() error {
	if err := g.list.Leave(leaveTime); err != nil {
		g.log.Debug("nobody was told of the end", "err", err)
	}
	return g.list.Shutdown()
}
