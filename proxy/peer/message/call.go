// SPDX-License-Identifier: Apache-2.0

package message

import (
	"time"

	peerpb "github.com/kairn-dev/kairn/proto/kairn/peer/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Command returns c as it is passed on at that time, to the owner of a shard.
func Command(c *entity.Call, at shard.ID, round int64, now time.Time) *peerpb.Command {
	m := &peerpb.Command{
		Shard: uint32(at), Round: uint64(round), Service: c.Service, Method: c.Command,
		Payload: c.Payload, Metadata: entries(c.Metadata), Key: []byte(c.Key), Depth: uint32(c.Depth),
	}
	if !c.Deadline.IsZero() {
		if m.Rest = int64(c.Deadline.Sub(now)); m.Rest == 0 {
			m.Rest = -1
		}
	}
	return m
}

// Call returns the call that m passes on, which came at that time. It shares the
// bytes of m.
func Call(m *peerpb.Command, now time.Time) entity.Call {
	c := entity.Call{
		Service: m.GetService(), Command: m.GetMethod(), Payload: m.GetPayload(), Metadata: metadata(m.GetMetadata()),
		Key: entity.IdemKey(m.GetKey()), Depth: int(m.GetDepth()),
	}
	if rest := m.GetRest(); rest != 0 {
		c.Deadline = now.Add(time.Duration(rest))
	}
	return c
}

// Answer returns a as it is sent back.
func Answer(a *entity.Answer) *peerpb.Answer {
	if a.Err != nil {
		return &peerpb.Answer{Failure: failure(a.Err)}
	}
	return &peerpb.Answer{Payload: a.Payload, Metadata: entries(a.Metadata)}
}

// Answered returns the answer that m sends back. It shares the bytes of m.
func Answered(m *peerpb.Answer) entity.Answer {
	if f := m.GetFailure(); f != nil {
		return entity.Answer{Err: failed(f)}
	}
	return entity.Answer{Payload: m.GetPayload(), Metadata: metadata(m.GetMetadata())}
}

func entries(md entity.Metadata) []*peerpb.Entry {
	if len(md) == 0 {
		return nil
	}
	all := make([]*peerpb.Entry, len(md))
	for i, e := range md {
		all[i] = &peerpb.Entry{Name: e.Name, Value: []byte(e.Value)}
	}
	return all
}

func metadata(all []*peerpb.Entry) entity.Metadata {
	if len(all) == 0 {
		return nil
	}
	md := make(entity.Metadata, len(all))
	for i, e := range all {
		md[i] = entity.MetadataEntry{Name: e.GetName(), Value: string(e.GetValue())}
	}
	return md
}
