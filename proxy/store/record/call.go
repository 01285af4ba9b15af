// SPDX-License-Identifier: Apache-2.0

package record

import (
	storepb "github.com/kairn-dev/kairn/proto/kairn/store/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
)

func payloadOf(p entity.Payload) *storepb.Payload {
	if p.TypeURL == "" && len(p.Value) == 0 {
		return nil
	}
	return &storepb.Payload{TypeUrl: text(p.TypeURL), Value: p.Value}
}

func payload(m *storepb.Payload) entity.Payload {
	return entity.Payload{TypeURL: m.GetTypeUrl(), Value: m.GetValue()}
}

func metadataOf(md entity.Metadata) []*storepb.MetadataEntry {
	if len(md) == 0 {
		return nil
	}
	entries := make([]*storepb.MetadataEntry, len(md))
	for i := range md {
		entries[i] = &storepb.MetadataEntry{Name: text(md[i].Name), Value: []byte(md[i].Value)}
	}
	return entries
}

func metadata(entries []*storepb.MetadataEntry) entity.Metadata {
	if len(entries) == 0 {
		return nil
	}
	md := make(entity.Metadata, len(entries))
	for i, e := range entries {
		md[i] = entity.MetadataEntry{Name: e.GetName(), Value: string(e.GetValue())}
	}
	return md
}

func targetOf(t *entity.Target) *storepb.Target {
	return &storepb.Target{
		Service: text(t.Service), Command: text(t.Command), Payload: payloadOf(t.Payload), Metadata: metadataOf(t.Meta),
	}
}

func target(m *storepb.Target) entity.Target {
	return entity.Target{
		Service: m.GetService(), Command: m.GetCommand(), Payload: payload(m.GetPayload()), Meta: metadata(m.GetMetadata()),
	}
}
