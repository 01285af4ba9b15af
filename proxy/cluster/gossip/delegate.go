// SPDX-License-Identifier: Apache-2.0

package gossip

import (
	"github.com/hashicorp/memberlist"
	"google.golang.org/protobuf/proto"

	gossippb "github.com/kairn-dev/kairn/proto/kairn/gossip/v1"
)

// A delegate carries notes, for memberlist.
type delegate struct{ *Gossip }

func (delegate) NodeMeta(int) []byte { return nil }

func (d delegate) NotifyMsg(data []byte) { d.heard(data) }

func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

// LocalState is told to whom is met, so that nobody depends on having been there
// when something was told.
func (d delegate) LocalState(bool) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.encode(d.note)
}

func (d delegate) MergeRemoteState(data []byte, _ bool) { d.heard(data) }

func (g *Gossip) encode(n Note) []byte {
	data, err := proto.Marshal(&gossippb.Note{From: g.cfg.Name, Incarnation: n.Incarnation, Version: n.Version})
	if err != nil {
		panic(err) // three fields that are valid by their making
	}
	return data
}

func (g *Gossip) heard(data []byte) {
	var n gossippb.Note
	if err := proto.Unmarshal(data, &n); err != nil {
		g.log.Debug("not a note", "err", err)
		return
	}
	if n.GetIncarnation() != "" && n.GetFrom() != g.cfg.Name {
		g.cfg.Heard(Note{n.GetIncarnation(), n.GetVersion()})
	}
}

// events counts who is there, for memberlist.
type events struct{ *Gossip }

func (e events) NotifyJoin(*memberlist.Node) { e.cfg.Stats.Members.Add(1) }

func (e events) NotifyLeave(n *memberlist.Node) {
	e.cfg.Stats.Members.Add(-1)
	e.cfg.Stats.Gone.Add(1)
	e.cfg.Gone(n.Name)
}

func (e events) NotifyUpdate(*memberlist.Node) {}

// A message is a note to be passed on. There is one at a time of a process: the
// newest.
type message []byte

func (message) Name() string      { return "note" }
func (m message) Message() []byte { return m }
func (message) Finished()         {}

// Invalidates is for those that have no name.
func (message) Invalidates(memberlist.Broadcast) bool { return false }
