// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"strconv"
	"time"
)

// An IdemKey tells a command from all others that its instance has ever had, so
// that one that comes twice has one effect. It is text. Where it comes from
// shows at its beginning:
//
//	idem: text                         what the client calls the command
//	ce: source NUL id NUL method       a CloudEvent, which may be for several methods
//	fx: member . number                a row of an outbox
//
// The empty key stands for none.
type IdemKey string

// ClientKey returns the key of a command that its client calls text.
func ClientKey(text string) IdemKey { return IdemKey("idem:" + text) }

// EventKey returns the key of the command that a CloudEvent makes for method.
func EventKey(source, id, method string) IdemKey {
	return IdemKey("ce:" + source + "\x00" + id + "\x00" + method)
}

// Key returns the key of the command that the row id leads to.
func (id OutboxID) Key() IdemKey {
	b := append(make([]byte, 0, 24), "fx:"...)
	b = append(strconv.AppendInt(b, int64(id.Member), 10), '.')
	return IdemKey(strconv.AppendInt(b, id.N, 10))
}

// A Reply is what is remembered of a command with a key: that it was carried
// out, and what its client is told whenever it comes again.
type Reply struct {
	Key     IdemKey
	Method  string    // full name of the method, "shop.Cart/AddItem"
	Hash    [32]byte  // SHA-256 of the payload
	Expires time.Time // when it may be forgotten, in whole milliseconds; until it is, it counts

	Payload Payload  // the reply, if there is neither a refusal nor a forward
	Meta    Metadata // of Payload
	None    bool     // whether there is no reply at all
	Refusal *Refusal
	Forward *Forwarded
}

// Forwarded is the call whose answer is that of a command. Under its key it is
// carried out once, and answered alike each time.
type Forwarded struct {
	Target
	Key IdemKey
}

func (r *Reply) size() int {
	n := len(r.Key) + len(r.Method) + len(r.Hash) + 32 + r.Payload.size() + r.Meta.size()
	if r.Refusal != nil {
		n += len(r.Refusal.Description)
	}
	if r.Forward != nil {
		n += r.Forward.size() + len(r.Forward.Key)
	}
	return n
}

func (m Metadata) size() int {
	n := 0
	for i := range m {
		n += len(m[i].Name) + len(m[i].Value) + 8
	}
	return n
}

func (t *Target) size() int {
	return len(t.Service) + len(t.Command) + t.Payload.size() + t.Meta.size()
}
