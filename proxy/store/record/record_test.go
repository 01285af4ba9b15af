// SPDX-License-Identifier: Apache-2.0

package record

import (
	"reflect"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

func aTarget() entity.Target {
	return entity.Target{
		Service: "shop.Mail", Command: "Send",
		Payload: entity.Payload{TypeURL: "type.googleapis.com/shop.Mail", Value: []byte("to you")},
		Meta:    entity.Metadata{{Name: "a", Value: "1"}, {Name: "b-bin", Value: "\xff\x00"}, {Name: "a", Value: ""}},
	}
}

func TestReplies(t *testing.T) {
	for name, r := range map[string]entity.Reply{
		"reply":    {Payload: aTarget().Payload, Meta: aTarget().Meta},
		"empty":    {},
		"none":     {None: true},
		"refusal":  {Refusal: &entity.Refusal{Description: "no", Code: 9}},
		"no words": {Refusal: &entity.Refusal{}},
		"forward":  {Forward: &entity.Forwarded{Target: aTarget(), Key: entity.OutboxID{Member: 3, N: 4}.Key()}},
	} {
		r.Method, r.Hash = "shop.Cart/AddItem", [32]byte{1, 31: 2}
		got, err := ReadReply(AppendReply(nil, &r))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: %+v came back as %+v, %v", name, r, got, err)
		}
	}
}

func TestRows(t *testing.T) {
	due := time.UnixMilli(1_800_000_000_123)
	for _, r := range []entity.OutboxRow{
		{Kind: entity.SideEffect, Target: aTarget(), Synchronous: true, Depth: 3, Since: due},
		{Kind: entity.Forward, Target: entity.Target{Service: "s", Command: "c"}, Attempts: 20, Due: due, Parked: true, Trouble: "away"},
		{Kind: entity.EventNotice, Target: entity.Target{Service: "s", Command: "c"}, Seq: 1 << 40, After: 1 << 39},
		{Kind: entity.Purge, Seq: 7, Due: due},
	} {
		got, err := ReadRow(AppendRow(nil, &r))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
	}
}

// TestWhatIsNoText checks that nothing that others say can make a row that can't
// be stored.
func TestWhatIsNoText(t *testing.T) {
	row := entity.OutboxRow{Kind: entity.SideEffect, Target: entity.Target{Service: "\xff", Command: "\xff"}, Trouble: "\xff"}
	row.Target.Payload.TypeURL, row.Target.Meta = "\xff", entity.Metadata{{Name: "\xff", Value: "\xff"}}
	if got, err := ReadRow(AppendRow(nil, &row)); err != nil || got.Trouble != "\ufffd" || got.Target.Meta[0].Value != "\xff" {
		t.Errorf("came back as %+v, %v", got, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(AppendReply(nil, &entity.Reply{Method: "m", Refusal: &entity.Refusal{}}))
	f.Add(AppendRow(nil, &entity.OutboxRow{Kind: entity.SideEffect, Target: aTarget()}))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if r, err := ReadReply(b); err == nil {
			AppendReply(nil, &r)
		}
		if r, err := ReadRow(b); err == nil {
			AppendRow(nil, &r)
		}
	})
}

func BenchmarkAppendReply(b *testing.B) {
	r := entity.Reply{Method: "shop.Cart/AddItem", Payload: aTarget().Payload}
	buf := make([]byte, 0, 500)
	b.ReportAllocs()
	for b.Loop() {
		AppendReply(buf[:0], &r)
	}
}
