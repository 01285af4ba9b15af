// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/hack/bench/raw"
)

// The messages of the protocol, written and read as they are on the wire: a
// floor that decoded them would be no lower than what stands on it.

const (
	service = "kairn.bench.Bench"
	request = "type.googleapis.com/kairn.bench.Request"
)

// initMessage is an EventSourcedStreamIn with an init.
func initMessage(key string) []byte {
	init := raw.AppendBytes(raw.AppendBytes(nil, 1, service), 2, key)
	return raw.AppendBytes(nil, 1, init)
}

// commandMessage is an EventSourcedStreamIn with a command.
func commandMessage(c *call) []byte {
	payload := raw.SizeOf(1, len(request)) + raw.SizeOf(2, len(c.msg))
	id := uint64(c.seq)
	command := raw.SizeOf(1, len(c.key)) + protowire.SizeTag(2) + protowire.SizeVarint(id) +
		raw.SizeOf(3, len(c.name)) + raw.SizeOf(4, payload)

	b := make([]byte, 0, raw.SizeOf(3, command))
	b = raw.AppendHead(b, 3, command)
	b = raw.AppendBytes(b, 1, c.key)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), id)
	b = raw.AppendBytes(b, 3, c.name)
	b = raw.AppendHead(b, 4, payload)
	b = raw.AppendBytes(b, 1, request)
	return raw.AppendBytes(b, 2, c.msg)
}

// parseReply takes the client's message and the event out of an
// EventSourcedStreamOut; events is nil if there is none.
func parseReply(b []byte) (msg, events []byte, ok bool) {
	reply := raw.Field(b, 1)
	payload := raw.Field(raw.Field(raw.Field(reply, 2), 1), 1)
	return raw.Field(payload, 2), raw.Field(reply, 4), payload != nil
}
