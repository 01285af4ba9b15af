// SPDX-License-Identifier: Apache-2.0

// Package record turns the parts of a write that have no form of their own in a
// store into bytes, and back: replies of commands and rows of the outbox. What
// the key of a row says is not repeated in it. The form is that of
// kairn/store/v1/record.proto, so fields can be added.
package record

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	storepb "github.com/kairn-dev/kairn/proto/kairn/store/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// AppendReply appends r but its key and when it expires.
func AppendReply(b []byte, r *entity.Reply) []byte {
	m := &storepb.Reply{
		Method: text(r.Method), Hash: r.Hash[:], Payload: payloadOf(r.Payload), Metadata: metadataOf(r.Meta), None: r.None,
	}
	if r.Refusal != nil {
		m.Refusal = &storepb.Refusal{Description: text(r.Refusal.Description), Code: r.Refusal.Code}
	}
	if r.Forward != nil {
		m.Forward = &storepb.Forwarded{Target: targetOf(&r.Forward.Target), Key: text(string(r.Forward.Key))}
	}
	return marshal(b, m)
}

// ReadReply reads all of b as what [AppendReply] has appended.
func ReadReply(b []byte) (entity.Reply, error) {
	var m storepb.Reply
	if err := proto.Unmarshal(b, &m); err != nil {
		return entity.Reply{}, fmt.Errorf("stored reply: %w", err)
	}
	r := entity.Reply{Method: m.GetMethod(), Payload: payload(m.GetPayload()), Meta: metadata(m.GetMetadata()), None: m.GetNone()}
	if copy(r.Hash[:], m.GetHash()) != len(r.Hash) {
		return entity.Reply{}, fmt.Errorf("stored reply has a hash of %d bytes", len(m.GetHash()))
	}
	if f := m.GetRefusal(); f != nil {
		r.Refusal = &entity.Refusal{Description: f.GetDescription(), Code: f.GetCode()}
	}
	if f := m.GetForward(); f != nil {
		r.Forward = &entity.Forwarded{Target: target(f.GetTarget()), Key: entity.IdemKey(f.GetKey())}
	}
	return r, nil
}

// AppendRow appends r but its ID and its source.
func AppendRow(b []byte, r *entity.OutboxRow) []byte {
	m := &storepb.OutboxRow{
		Kind: storepb.OutboxRow_Kind(r.Kind), Synchronous: r.Synchronous, Depth: int64(r.Depth), Seq: int64(r.Seq), After: int64(r.After),
		Attempts: int64(r.Attempts), Due: Milliseconds(r.Due), Parked: r.Parked, Trouble: text(r.Trouble),
		Since: Milliseconds(r.Since),
	}
	if r.Kind != entity.Purge {
		m.Target = targetOf(&r.Target)
	}
	return marshal(b, m)
}

// ReadRow reads all of b as what [AppendRow] has appended.
func ReadRow(b []byte) (entity.OutboxRow, error) {
	var m storepb.OutboxRow
	if err := proto.Unmarshal(b, &m); err != nil {
		return entity.OutboxRow{}, fmt.Errorf("stored row of the outbox: %w", err)
	}
	return entity.OutboxRow{
		Kind: entity.OutboxKind(m.GetKind()), Target: target(m.GetTarget()), Synchronous: m.GetSynchronous(), Depth: int(m.GetDepth()),
		Seq: entity.Seq(m.GetSeq()), After: entity.Seq(m.GetAfter()), Attempts: int(m.GetAttempts()), Due: Time(m.GetDue()),
		Parked: m.GetParked(), Trouble: m.GetTrouble(), Since: Time(m.GetSince()),
	}, nil
}

// Milliseconds returns t as milliseconds since 1970, 0 if it is zero.
func Milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Time returns the time that ms stands for.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// text returns s as it can be stored as text. What functions and clients say was
// found to be text when it came; this is for what wasn't looked at.
func text(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// marshal appends m.
func marshal(b []byte, m proto.Message) []byte {
	b, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		panic(err) // only text that isn't text could fail
	}
	return b
}
